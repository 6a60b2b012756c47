"""No replica hoards: what it holds could not move to a new one."""

import asyncio
import random

import numpy as np
import pytest

from serve_app.audio.waveform import SAMPLE_RATE_HZ, Chunk
from serve_app.config import BatchConfig
from serve_app.deployments.demand.ahead import Ahead
from serve_app.deployments.demand.telling import Teller, TellingRecognizer
from serve_app.deployments.demand.told import Holding, full_batches
from serve_app.deployments.demand.workload import Workload
from serve_app.models.protocols import Recognition, RecognitionOptions, RecognitionRequest
from serve_app.transcript.types import Hypothesis

BATCH = BatchConfig(max_batch_audio_s=60.0, max_batch_size=16)
LONGEST_S = 15.0


class Replica:
    """Answers a batch each time the test says so."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.holding = Holding()
        self.rows: list[tuple[float, asyncio.Future[None]]] = []
        self.most_s, self.most_chunks = 0.0, 0

    async def recognize(self, request: RecognitionRequest) -> Recognition:
        with self.holding.of(request):
            self.most_s = max(self.most_s, self.holding.held_s)
            self.most_chunks = max(self.most_chunks, len(self.rows) + 1)
            answer = asyncio.get_running_loop().create_future()
            self.rows.append((request.chunk.duration_s, answer))
            await answer
        allowance = self.holding.allowance(request, full_batches(BATCH, BATCH.max_batches_held))
        return Recognition(Hypothesis(""), 0.0, 0.0, 1, self.name, allowance)

    def run_batch(self) -> None:
        taken_s = 0.0
        while self.rows and taken_s + self.rows[0][0] <= BATCH.max_batch_audio_s:
            audio_s, answer = self.rows.pop(0)
            taken_s += audio_s
            answer.set_result(None)


class Router:
    """As Serve's: to the replica with fewer calls under way, of two; counts bound it, too."""

    def __init__(self, replicas: list[Replica], rng: random.Random) -> None:
        self._replicas = replicas
        self._rng = rng

    async def recognize(self, request: RecognitionRequest) -> Recognition:
        two = [self._rng.choice(self._replicas) for _ in range(2)]
        return await min(two, key=lambda replica: len(replica.rows)).recognize(request)


def caller(name: str) -> tuple[Workload, Ahead, Teller]:
    workload = Workload(name, BATCH)
    ahead = Ahead(1e6, 1e6, held=full_batches(BATCH, BATCH.max_batches_held))
    return workload, ahead, Teller(name, workload, ahead)


async def send(
    lengths_s: list[float],
    recording: str,
    by: tuple[Workload, Ahead, Teller],
    router: Router,
) -> None:
    """One recording in chunks of these lengths."""
    workload, ahead, teller = by
    with workload.recording(sum(lengths_s)) as underway:
        recognizer = TellingRecognizer(router, underway, ahead, teller)
        underway.decoded(sum(lengths_s))
        await asyncio.gather(
            *(recognizer.recognize(_request(each, recording)) for each in lengths_s)
        )


@pytest.mark.parametrize("seed", range(20))
async def test_replicas_hold_about_two_batches_in_audio_seconds_and_all_is_answered(
    seed: int,
) -> None:
    rng = random.Random(seed)
    replicas = [Replica(f"{index}") for index in range(rng.randint(1, 4))]
    router = Router(replicas, rng)
    callers = [caller(f"c{index}") for index in range(rng.randint(1, 3))]
    longest_s = rng.choice([2.0, LONGEST_S])

    async def recording(index: int) -> None:
        lengths_s = [rng.uniform(0.5, longest_s) for _ in range(rng.randint(1, 8))]
        await send(lengths_s, f"{index}", rng.choice(callers), router)

    tasks = [asyncio.create_task(recording(index)) for index in range(120)]
    totals: list[float] = []
    for _ in range(3_000):
        await asyncio.sleep(0)
        totals.append(sum(replica.holding.held_s for replica in replicas))
        if rng.random() < 0.2:
            rng.choice(replicas).run_batch()
        if all(task.done() for task in tasks):
            break
    while not all(task.done() for task in tasks):
        for replica in replicas:
            replica.run_batch()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    # Callers know of each other from their first answers on; until then each takes a replica.
    two_batches_s = 2 * BATCH.max_batch_audio_s
    bound_s = two_batches_s * max(len(replicas), len(callers)) + len(callers) * longest_s
    assert max(totals) <= bound_s
    assert max(totals) >= min(BATCH.max_batch_audio_s, BATCH.max_batch_size * longest_s / 2)
    if len(replicas) == len(callers) == 1:
        assert replicas[0].most_s <= two_batches_s
        assert replicas[0].most_chunks <= 2 * BATCH.max_batch_size


async def test_what_a_caller_may_hand_over_is_its_share_of_what_waits() -> None:
    rng = random.Random(1)
    replica = Replica("a")
    router = Router([replica], rng)
    (busy, busy_ahead, busy_teller), (idle, idle_ahead, idle_teller) = (
        caller("busy"),
        caller("idle"),
    )
    with busy.recording(0.0) as much, idle.recording(0.0) as little:
        much.decoded(90.0)
        little.decoded(10.0)
        calls = [
            asyncio.create_task(recognizer.recognize(_request(1.0, name)))
            for name, recognizer in (
                ("busy", TellingRecognizer(router, much, busy_ahead, busy_teller)),
                ("idle", TellingRecognizer(router, little, idle_ahead, idle_teller)),
            )
        ]
        for _ in range(10):
            await asyncio.sleep(0)  # both calls have come
        replica.run_batch()
        await asyncio.gather(*calls)
    assert busy_ahead.handed.allowed.audio_s == pytest.approx(0.9 * 120.0)
    assert idle_ahead.handed.allowed.audio_s == pytest.approx(0.1 * 120.0)


def _request(duration_s: float, recording: str) -> RecognitionRequest:
    pcm = np.ones(round(duration_s * SAMPLE_RATE_HZ), np.int16).tobytes()
    return RecognitionRequest(Chunk(pcm, 0.0), RecognitionOptions(), recording)
