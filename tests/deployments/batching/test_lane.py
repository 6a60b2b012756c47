"""The lane joins what waits, keeps the model busy, and lets no row spoil another's answer."""

import asyncio
import random
import threading
import weakref
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest

from serve_app.audio.waveform import SAMPLE_RATE_HZ, Chunk
from serve_app.config import BatchConfig
from serve_app.deployments.batching.lane import Lane
from serve_app.deployments.batching.pace import BatchReport
from serve_app.errors import AtCapacityError, EngineError
from serve_app.models.protocols import (
    DeviceMemoryError,
    ModelBrokenError,
    ModelInfo,
    RecognitionOptions,
    RecognitionRequest,
)
from serve_app.transcript.types import Hypothesis

POISON_S = 13.0


class GatedRecognizer:
    """Waits for the test before each batch; says of each row how long it is."""

    def __init__(self, *, memory_audio_s: float = float("inf"), gated: bool = True) -> None:
        self.info = ModelInfo("gated", "test", ("en",))
        self.batches: list[list[float]] = []
        self.entered = threading.Semaphore(0)
        self.gate = threading.Semaphore(0 if gated else 1_000_000)
        self._memory_audio_s = memory_audio_s

    def prepare(self, requests: Sequence[RecognitionRequest]) -> object:
        return [request.chunk.duration_s for request in requests]

    def recognize(self, prepared: object) -> list[Hypothesis]:
        assert isinstance(prepared, list)
        self.entered.release()
        assert self.gate.acquire(timeout=20)
        if sum(prepared) > self._memory_audio_s:
            raise DeviceMemoryError("full")
        if POISON_S in prepared:
            raise ValueError("poison")
        self.batches.append(prepared)
        return [Hypothesis(f"{duration_s:g}") for duration_s in prepared]


def request(duration_s: float, recording: str = "") -> RecognitionRequest:
    pcm = np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.int16).tobytes()
    return RecognitionRequest(Chunk(pcm, 0.0), RecognitionOptions(), recording)


class Scene:
    def __init__(self) -> None:
        self.reports: list[BatchReport] = []
        self.lanes: list[Lane] = []

    def lane(self, recognizer: GatedRecognizer, **config: float) -> Lane:
        lane = Lane(recognizer, BatchConfig(**config), self.reports.append)
        self.lanes.append(lane)
        return lane


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    for lane in scene.lanes:
        await lane.close()


async def entered(model: GatedRecognizer) -> None:
    """Wait until the model has a batch in its hands."""
    assert await asyncio.to_thread(model.entered.acquire, timeout=20)


def laid_out_of(model: GatedRecognizer, num_rows: int) -> threading.Event:
    """Set once a batch of so many rows is laid out."""
    laid_out = threading.Event()
    prepare = model.prepare

    def watched(requests: Sequence[RecognitionRequest]) -> object:
        if len(requests) == num_rows:
            laid_out.set()
        return prepare(requests)

    model.prepare = watched  # type: ignore[method-assign]  # a spy around the real one
    return laid_out


async def test_what_arrives_while_the_model_works_makes_one_batch(scene: Scene) -> None:
    model = GatedRecognizer()
    lane = scene.lane(model)
    first = lane.submit(request(1))
    await entered(model)
    others = [lane.submit(request(2)) for _ in range(10)]
    for _ in range(2):
        model.gate.release()
    answers = await asyncio.gather(first, *others)
    assert model.batches == [[1.0], [2.0] * 10]
    assert [answer.batch_size for answer in answers] == [1] + [10] * 10


async def test_a_batch_weighs_its_longest_row_times_its_rows(scene: Scene) -> None:
    model = GatedRecognizer(gated=False)
    lane = scene.lane(model, max_batch_audio_s=20)
    rng = random.Random(5)
    lengths = [round(rng.uniform(0.1, 15), 2) for _ in range(300)]
    answers = await asyncio.gather(*(lane.submit(request(length)) for length in lengths))
    assert [float(a.hypothesis.text) for a in answers] == pytest.approx(lengths, abs=1e-3)
    taken = sorted(s for batch in model.batches for s in batch)
    assert taken == pytest.approx(sorted(lengths), abs=1e-3)
    assert all(max(batch) * len(batch) <= 20 or len(batch) == 1 for batch in model.batches)


async def test_a_row_above_the_budget_runs_alone(scene: Scene) -> None:
    model = GatedRecognizer(gated=False)
    lane = scene.lane(model, max_batch_audio_s=5)
    await asyncio.gather(*(lane.submit(request(length)) for length in (1, 9, 1, 1)))
    assert model.batches == [[1.0], [9.0], [1.0, 1.0]]


async def test_a_cancelled_row_never_reaches_the_model(scene: Scene) -> None:
    model = GatedRecognizer()
    lane = scene.lane(model)
    first = lane.submit(request(1))
    await entered(model)
    gone, stays = lane.submit(request(2)), lane.submit(request(3))
    gone.cancel()
    await asyncio.wait([gone])
    assert lane.waiting_audio_s == 3
    model.gate.release()
    model.gate.release()
    await asyncio.gather(first, stays)
    assert model.batches == [[1.0], [3.0]]


async def test_a_full_queue_refuses_and_takes_again_after_a_cancel(scene: Scene) -> None:
    model = GatedRecognizer()
    lane = scene.lane(model, max_queued_audio_s=10)
    first = lane.submit(request(1))
    await entered(model)
    waiting = [lane.submit(request(5)) for _ in range(2)]
    with pytest.raises(AtCapacityError):
        lane.submit(request(1))
    waiting[0].cancel()
    await asyncio.wait([waiting[0]])
    after = lane.submit(request(1))
    for _ in range(3):
        model.gate.release()
    await asyncio.gather(first, waiting[1], after)
    assert lane.waiting_audio_s == 0


async def test_memory_errors_split_the_batch_until_it_fits(scene: Scene) -> None:
    model = GatedRecognizer(memory_audio_s=10, gated=False)
    lane = scene.lane(model)
    answers = await asyncio.gather(*(lane.submit(request(4)) for _ in range(9)))
    assert [answer.hypothesis.text for answer in answers] == ["4"] * 9
    assert max(len(batch) for batch in model.batches) == 2


async def test_a_poisonous_row_costs_only_itself(scene: Scene) -> None:
    model = GatedRecognizer(gated=False)
    lane = scene.lane(model)
    rows = [lane.submit(request(length)) for length in (1, 2, POISON_S, 3, 4)]
    answers = await asyncio.gather(*rows, return_exceptions=True)
    assert isinstance(answers.pop(2), EngineError)
    assert [answer.hypothesis.text for answer in answers] == ["1", "2", "3", "4"]


async def test_what_did_not_fit_is_let_go_before_its_halves_are_tried(scene: Scene) -> None:
    class Hoarder(GatedRecognizer):
        def __init__(self) -> None:
            super().__init__(memory_audio_s=1, gated=False)
            self.held: list[weakref.ref[np.ndarray]] = []
            self.most_held = 0

        def recognize(self, prepared: object) -> list[Hypothesis]:
            self.most_held = max(self.most_held, sum(each() is not None for each in self.held))
            activations = np.zeros(1_000)
            self.held.append(weakref.ref(activations))
            return super().recognize(prepared)

    model = Hoarder()
    lane = scene.lane(model)
    answers = await asyncio.gather(*(lane.submit(request(1)) for _ in range(16)))
    assert len(answers) == 16
    assert len(model.held) > 16
    assert model.most_held == 0


async def test_a_broken_model_sends_its_callers_to_another(scene: Scene) -> None:
    model = GatedRecognizer()
    lane = scene.lane(model, max_batch_size=1, window_s=0)
    # The fifth is laid out already when the fourth fails.
    poisoned = [lane.submit(request(POISON_S, f"recording {index}")) for index in range(5)]
    waiting = [lane.submit(request(20, f"late {index}")) for index in range(3)]
    model.gate.release(100)
    found = await asyncio.gather(*poisoned, *waiting, return_exceptions=True)
    assert [type(each) for each in found] == [EngineError] * 5 + [ModelBrokenError] * 3
    assert lane.is_broken
    assert lane.waiting_audio_s == 0
    with pytest.raises(ModelBrokenError):
        lane.submit(request(1))


async def test_one_recording_however_long_breaks_no_model(scene: Scene) -> None:
    lane = scene.lane(GatedRecognizer(gated=False))
    rows = [lane.submit(request(POISON_S, "long")) for _ in range(40)]
    found = await asyncio.gather(*rows, return_exceptions=True)
    assert {type(each) for each in found} == {EngineError}
    assert not lane.is_broken
    assert (await lane.submit(request(1))).hypothesis.text == "1"


async def test_a_full_next_batch_is_laid_out_while_the_model_works(scene: Scene) -> None:
    model = GatedRecognizer()
    laid_out = laid_out_of(model, 4)
    lane = scene.lane(model, max_batch_size=4)
    rows = [lane.submit(request(1))]
    await entered(model)
    rows += [lane.submit(request(1)) for _ in range(5)]
    assert await asyncio.to_thread(laid_out.wait, 20)
    assert model.batches == []
    for _ in range(3):
        model.gate.release()
    await asyncio.gather(*rows)
    assert [len(batch) for batch in model.batches] == [1, 4, 1]


async def test_a_batch_that_is_laid_out_waits_for_no_answers(scene: Scene) -> None:
    """While rows before it are answered, which takes the loop its time, the model goes on."""
    model = GatedRecognizer()
    laid_out = laid_out_of(model, 4)
    lane = scene.lane(model, max_batch_size=4)
    first = lane.submit(request(1))
    await entered(model)
    others = [lane.submit(request(1)) for _ in range(4)]
    assert await asyncio.to_thread(laid_out.wait, 20)
    goes_on: list[bool] = []
    first.add_done_callback(lambda _: goes_on.append(model.entered.acquire(timeout=10)))
    model.gate.release()
    await first
    model.gate.release()
    await asyncio.gather(*others)
    assert goes_on == [True]


async def test_settings_change_while_rows_wait(scene: Scene) -> None:
    model = GatedRecognizer()
    lane = scene.lane(model)
    rows = [lane.submit(request(1))]
    await entered(model)
    rows += [lane.submit(request(1)) for _ in range(6)]
    lane.configure(BatchConfig(max_batch_size=3))
    for _ in range(3):
        model.gate.release()
    await asyncio.gather(*rows)
    assert [len(batch) for batch in model.batches] == [1, 3, 3]


async def test_the_report_counts_audio_and_padding(scene: Scene) -> None:
    model = GatedRecognizer()
    lane = scene.lane(model)
    rows = [lane.submit(request(1))]
    await entered(model)
    rows += [lane.submit(request(length)) for length in (1, 3)]
    model.gate.release()
    model.gate.release()
    await asyncio.gather(*rows)
    last = scene.reports[-1]
    assert (last.num_chunks, last.audio_s, last.padded_s) == (2, 4.0, 6.0)
