"""How long a short recording waits in a lane behind long ones: by a bound, whatever arrives."""

import asyncio
import math
import random
from collections.abc import Sequence

import numpy as np
import pytest

from serve_app.audio.waveform import SAMPLE_RATE_HZ, Chunk
from serve_app.config import BatchConfig
from serve_app.deployments.batching.lane import Lane
from serve_app.models.protocols import (
    ModelInfo,
    Recognition,
    RecognitionOptions,
    RecognitionRequest,
)
from serve_app.transcript.types import Hypothesis

LONGEST_S = 3.0
OPTIONS = RecognitionOptions()


class NumberingRecognizer:
    """Answers each row with the number of its batch. Takes no time of its own."""

    def __init__(self) -> None:
        self.info = ModelInfo("numbering", "test", ("en",))
        self.num_batches = 0

    def prepare(self, requests: Sequence[RecognitionRequest]) -> object:
        return len(requests)

    def recognize(self, prepared: object) -> list[Hypothesis]:
        assert isinstance(prepared, int)
        self.num_batches += 1
        return [Hypothesis(str(self.num_batches))] * prepared


def request(duration_s: float, recording: str) -> RecognitionRequest:
    pcm = np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.int16).tobytes()
    return RecognitionRequest(Chunk(pcm, 0.0), OPTIONS, recording)


@pytest.mark.parametrize("seed", range(40))
async def test_a_short_recording_waits_for_a_bounded_number_of_batches(seed: int) -> None:
    """4 + ⌈n ÷ c⌉ + 2⌈w ÷ c⌉, as the lane's module says; here over thousands of random arrivals."""
    rng = random.Random(seed)
    budget_s, max_size = rng.uniform(1.0, 30.0), rng.randint(1, 12)
    per_batch = min(max(1, math.floor(budget_s / LONGEST_S)), max_size)
    model = NumberingRecognizer()
    config = BatchConfig(max_batch_audio_s=budget_s, max_batch_size=max_size, window_s=0)
    in_windows = 2 * math.ceil(2 * max_size / per_batch)
    lane = Lane(model, config, lambda _: None)
    answers: list[asyncio.Future[Recognition]] = []
    bounds: list[tuple[asyncio.Future[Recognition], int]] = []
    for number in range(150):
        if rng.random() < 0.1:  # a long recording hands in many chunks at once
            name = f"long {rng.randrange(4)}"
            answers += [lane.submit(request(LONGEST_S, name)) for _ in range(rng.randint(5, 16))]
        elif rng.random() < 0.5:
            num_waiting = lane.num_recordings_waiting
            before = 4 + math.ceil(num_waiting / per_batch) + in_windows
            latest = model.num_batches + before + 1
            short = lane.submit(request(rng.uniform(0.1, LONGEST_S), f"short {number}"))
            bounds.append((short, latest))
        else:
            for _ in range(rng.randint(1, 5)):
                await asyncio.sleep(0)  # lets the lane get on; no time passes
    await asyncio.gather(*answers, *(short for short, _ in bounds))
    await lane.close()
    assert bounds
    for short, latest in bounds:
        assert int(short.result().hypothesis.text) <= latest


async def test_a_long_recording_is_not_starved_by_short_ones_that_never_end() -> None:
    model = NumberingRecognizer()
    lane = Lane(model, BatchConfig(max_batch_size=1, window_s=0), lambda _: None)
    chunks = [lane.submit(request(LONGEST_S, "long")) for _ in range(4)]
    num_short = 0
    while not all(chunk.done() for chunk in chunks):
        while lane.num_recordings_waiting < 5:  # five wait at all times
            lane.submit(request(0.1, f"short {num_short}"))
            num_short += 1
        await asyncio.sleep(0)
    await lane.close()
    latest = max(int(chunk.result().hypothesis.text) for chunk in chunks)
    assert latest <= 2 + 4 * (5 + 1) + 2  # and the other row of a window


async def test_a_short_recording_waits_for_no_window_that_is_not_open_yet() -> None:
    """Behind sixteen chunks of one long recording, which would be sixteen batches."""
    model = NumberingRecognizer()
    lane = Lane(model, BatchConfig(max_batch_size=1, window_s=0), lambda _: None)
    chunks = [lane.submit(request(LONGEST_S, "long")) for _ in range(16)]
    await asyncio.sleep(0)  # lets the lane open a window, of two chunks
    short = await lane.submit(request(0.5, "short"))
    assert int(short.hypothesis.text) <= 3
    await asyncio.gather(*chunks)
    await lane.close()
