"""Windows of rows that wait: little is padded, nobody is lost, and nobody waits for ever."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from serve_app.config import BatchConfig
from serve_app.deployments.batching.windows import Windows


@dataclass(frozen=True, slots=True)
class Row:
    number: int
    length_s: float


def heavy_tailed(rng: random.Random) -> float:
    return min(30.0, max(0.5, rng.lognormvariate(1.4, 1.0)))


def windows() -> Windows[Row]:
    return Windows[Row](lambda row: row.length_s)


def padded_s(batch: list[Row]) -> float:
    return max(row.length_s for row in batch) * len(batch)


def batches_of(
    waiting: Windows[Row],
    config: BatchConfig,
    audio_s_per_s: float,
    rows: Iterator[Row],
    num_waiting: int,
) -> list[list[Row]]:
    """Cut with always so many waiting; each row is a recording of its own."""
    batches = []
    for row in rows:
        waiting.add(row.number, row)
        while len(waiting) >= num_waiting:
            batches.append(waiting.cut(config, audio_s_per_s))
    return batches


@pytest.mark.parametrize(("window_s", "least"), [(0.0, 0.5), (0.3, 0.8), (1.0, 0.9)])
def test_the_more_is_sorted_at_a_time_the_less_is_padded(window_s: float, least: float) -> None:
    rng = random.Random(7)
    rows = (Row(number, heavy_tailed(rng)) for number in range(20_000))
    config = BatchConfig(window_s=window_s)
    found = batches_of(windows(), config, 8_000.0, rows, num_waiting=1_500)
    audio_s = sum(row.length_s for batch in found for row in batch)
    assert audio_s / sum(map(padded_s, found)) > least


@pytest.mark.parametrize("seed", range(50))
def test_every_row_leaves_once_and_every_batch_keeps_its_budget(seed: int) -> None:
    rng = random.Random(seed)
    config = BatchConfig(
        max_batch_audio_s=rng.uniform(5, 100),
        max_batch_size=rng.randint(1, 20),
        window_s=rng.choice((0.0, 1.0)),
    )
    waiting, audio_s_per_s = windows(), rng.uniform(0.1, 1_000.0)
    there, gone, left = 0, set[int](), list[int]()
    for _ in range(400):
        choice = rng.random()
        if choice < 0.7:
            waiting.add(rng.randrange(8), Row(there, heavy_tailed(rng)))
            there += 1
        elif choice < 0.75 and there:
            number = rng.randrange(there)
            if number not in left:
                gone.add(number)
                waiting.keep(lambda row, number=number: row.number != number)
        else:
            batch = waiting.cut(config, audio_s_per_s)
            left += [row.number for row in batch]
            assert len(batch) <= config.max_batch_size
            assert len(batch) <= 1 or padded_s(batch) <= config.max_batch_audio_s * (1 + 1e-9)
    while batch := waiting.cut(config, audio_s_per_s):
        left += [row.number for row in batch]
    assert not waiting
    assert sorted([*left, *gone]) == list(range(there))


def test_an_odd_length_waits_for_two_windows_at_most() -> None:
    """One of thirty seconds among short ones that never end."""
    rng = random.Random(3)
    config = BatchConfig(max_batch_audio_s=60, max_batch_size=16, window_s=0.0)
    waiting, audio_s_per_s = windows(), 100.0
    for number in range(200):
        waiting.add(number, Row(number, rng.uniform(1, 3)))
    waiting.add("long", Row(-1, 30.0))
    num_cuts = 0
    while True:
        for _ in range(16):
            num_cuts_of = 1_000 + 16 * num_cuts + _
            waiting.add(num_cuts_of, Row(num_cuts_of, rng.uniform(1, 3)))
        num_cuts += 1
        if any(row.number == -1 for row in waiting.cut(config, audio_s_per_s)):
            break
    rows_of_a_window = 2 * config.max_batch_size
    assert num_cuts <= math.ceil(200 / 16) + 2 * math.ceil(rows_of_a_window / 16) + 1


@pytest.mark.parametrize("seed", range(50))
def test_a_batch_that_is_full_is_what_comes_next_whatever_comes(seed: int) -> None:
    """Of the rows that wait, at least one is left behind once they fill a batch."""
    rng = random.Random(seed)
    config = BatchConfig(max_batch_audio_s=40, max_batch_size=8, window_s=0.0)
    waiting, audio_s_per_s = windows(), 1.0
    for number in range(60):
        waiting.add(number, Row(number, rng.uniform(0.5, 12)))
        if rng.random() < 0.2:
            was_full, num_waiting = waiting.fill_a_batch(config), len(waiting)
            batch = waiting.cut(config, audio_s_per_s)
            assert was_full == (len(batch) < num_waiting or len(batch) >= 8)


def test_nothing_cut_of_nothing_is_empty() -> None:
    assert windows().cut(BatchConfig(), 0.0) == []
    assert not windows().fill_a_batch(BatchConfig())
