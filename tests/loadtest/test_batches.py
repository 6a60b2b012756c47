"""Batches read from answers, and what packing would give."""

import pytest

from loadtest.bench.clips import HEAVY_TAILED, LIBRISPEECH_LIKE, lengths_s, noise_clips
from loadtest.bench.engines.batches import (
    Batch,
    batches_of,
    first_come_packing,
    lane_packing,
    sorted_packing,
    steady,
    throughput,
    window_packing,
)
from loadtest.bench.engines.dilated import dilated
from loadtest.bench.load import Answer
from loadtest.bench.points.plan import SIMULATED
from loadtest.bench.server import model_of
from serve_app.config import BatchConfig

BUDGET = BatchConfig(max_batch_audio_s=6.0, max_batch_size=3)


def answer(index: int, model_s: float, at: float) -> Answer:
    return Answer("", 0.0, {"model": model_s}, index, at)


def rows(batches: list[Batch]) -> list[tuple[float, ...]]:
    return [batch.durations_s for batch in batches]


def test_rows_of_one_batch_share_the_models_time_and_the_moment() -> None:
    answers = [answer(0, 0.5, 1.0), answer(1, 0.5, 1.1), answer(2, 0.7, 1.2), answer(3, 0.5, 2.0)]
    found = batches_of(answers, [1.0, 2.0, 3.0, 4.0])
    assert rows(found) == [(1.0, 2.0), (3.0,), (4.0,)]
    assert [batch.ended_at for batch in found] == [1.0, 1.2, 2.0]
    assert found[0].audio_s == 3.0
    assert found[0].padded_s == 4.0


def test_the_steady_part_has_neither_the_first_batches_nor_what_came_late() -> None:
    batches = [Batch((1.0,), ended_at=float(at)) for at in range(8)]
    found = steady(batches, until=6.0)
    assert [batch.ended_at for batch in found] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert throughput(found) == 1.0


def test_sorting_wastes_less_than_the_order_of_arrival_and_keeps_the_budget() -> None:
    durations_s = [1.0, 5.0, 1.0, 5.0, 1.0]
    assert rows(first_come_packing(durations_s, BUDGET)) == [(1.0,), (5.0,), (1.0,), (5.0,), (1.0,)]
    assert rows(sorted_packing(durations_s, BUDGET)) == [(1.0, 1.0, 1.0), (5.0,), (5.0,)]


def test_a_window_takes_the_oldest_and_those_that_are_most_like_it() -> None:
    found = window_packing([1.0, 5.0, 1.0, 5.0, 1.0, 2.0], BUDGET, num_waiting=5)
    assert rows(found)[0] == (1.0, 1.0, 1.0)


def test_the_lane_keeps_its_budget_and_sorts_the_better_the_more_callers_there_are() -> None:
    model, lengths = model_of(SIMULATED, None), lengths_s(HEAVY_TAILED, 4_000)
    found = {
        callers: lane_packing(lengths, model, num_callers=callers) for callers in (1, 128, 960)
    }
    assert {len(batch.durations_s) for batch in found[1]} == {1}
    efficiency = {}
    for callers, batches in found.items():
        assert all(batch.padded_s <= 480.0 * (1 + 1e-9) for batch in batches)
        assert max(len(batch.durations_s) for batch in batches) <= 64
        audio_s = sum(batch.audio_s for batch in batches)
        efficiency[callers] = audio_s / sum(batch.padded_s for batch in batches)
    assert efficiency[128] + 0.2 < efficiency[960] < 0.95


def test_a_slowed_down_engine_makes_the_lane_the_same_batches() -> None:
    model, lengths = model_of(SIMULATED, None), lengths_s(LIBRISPEECH_LIKE, 2_000)
    slow = lane_packing(lengths, dilated(model, 20.0), num_callers=480)
    fast = lane_packing(lengths, model, num_callers=480)
    assert abs(len(slow) - len(fast)) <= 1  # rounding may end a window a row earlier


def test_a_row_that_is_too_long_is_a_batch_by_itself() -> None:
    assert rows(first_come_packing([9.0, 1.0], BUDGET)) == [(9.0,), (1.0,)]


def test_the_lengths_of_a_mix_are_the_same_at_each_run_and_as_it_says() -> None:
    found_s = lengths_s(LIBRISPEECH_LIKE, 4_000)
    assert found_s == lengths_s(LIBRISPEECH_LIKE, 4_000)
    assert sum(found_s) / len(found_s) == pytest.approx(7.4, abs=0.3)
    heavy_s = lengths_s(HEAVY_TAILED, 4_000)
    assert 0.01 < sum(each == 30.0 for each in heavy_s) / len(heavy_s) < 0.05
    clip = noise_clips(HEAVY_TAILED, 1)[0]
    assert clip.upload.startswith(b"RIFF")
    assert clip.duration_s == pytest.approx(heavy_s[0], abs=1e-3)
