"""Ten times the load, in simulated time: all is kept busy, and who is let in has its turn in time.

The forecast and the workload are the real ones; the clock, the arrivals and the model are the
test's. `loadtest.overload` shows the same of a whole server in real time.
"""

import asyncio
import random
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from serve_app.config import BatchConfig
from serve_app.deployments.demand.workload import Underway, Workload
from serve_app.errors import AtCapacityError
from serve_app.ingress.admission.forecast import Forecast
from serve_app.pipelines.load import Load

pytestmark = pytest.mark.asyncio

BATCH = BatchConfig(max_batch_audio_s=60.0, max_batch_size=32)
FIXED_S, PER_AUDIO_S = 0.1, 0.008
MAX_WAIT_S = 5.0
FOR_S, SETTLED_AFTER_S = 120.0, 20.0


@dataclass(eq=False)
class Recording:
    audio_s: float
    came_at: float
    visit: ExitStack
    progress: Underway


@dataclass
class World:
    """Ingresses that share one preprocessor and one model; time goes from event to event."""

    num_ingresses: int
    rng: random.Random
    now_s: float = 0.0
    waiting: deque[Recording] = field(default_factory=deque)
    batch: list[Recording] = field(default_factory=list)
    batch_ends_at: float = float("inf")
    done: list[tuple[float, Recording]] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    retry_after_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.workload = Workload("one", BATCH, self.clock)
        self.ingresses = [
            Forecast({"one": 30.0}, max_wait_s=MAX_WAIT_S, ask=self.ask, clock=self.clock)
            for _ in range(self.num_ingresses)
        ]

    def clock(self) -> float:
        return self.now_s

    async def ask(self) -> Load:
        return Load("a", (self.workload.load(),))

    async def run(self, arrivals_per_s: float, *, is_weighed: bool = True) -> float:
        """Audio seconds done per second, once it has settled."""
        arrives_at = 0.0
        while self.now_s < FOR_S:
            if self.batch_ends_at <= arrives_at:
                self.now_s = self.batch_ends_at
                self.end_batch()
            else:
                self.now_s = arrives_at
                arrives_at += self.rng.expovariate(arrivals_per_s)
                await self.arrive(is_weighed)
            self.begin_batch()
        done_s = sum(each.audio_s for at, each in self.done if at > SETTLED_AFTER_S)
        return done_s / (FOR_S - SETTLED_AFTER_S)

    async def arrive(self, is_weighed: bool) -> None:
        audio_s = min(max(self.rng.lognormvariate(1.8, 0.6), 1.0), 25.0)
        ingress = self.rng.choice(self.ingresses)
        with ExitStack() as visit:
            if is_weighed:
                try:
                    with ingress.arriving(round(audio_s * 8_000)):
                        for _ in range(3):  # the forecast's question goes its way
                            await asyncio.sleep(0)
                    visit.enter_context(ingress.place("one", audio_s))
                except AtCapacityError as error:
                    self.retry_after_s.append(error.retry_after_s)
                    return
            progress = visit.enter_context(self.workload.recording(audio_s))
            self.waiting.append(Recording(audio_s, self.now_s, visit.pop_all(), progress))

    def begin_batch(self) -> None:
        if self.batch or not self.waiting:
            return
        longest_s = 0.0
        while self.waiting and len(self.batch) < BATCH.max_batch_size:
            longest_s = max(longest_s, self.waiting[0].audio_s)
            if self.batch and longest_s * (len(self.batch) + 1) > BATCH.max_batch_audio_s:
                break
            self.batch.append(self.waiting.popleft())
            self.waits_s.append(self.now_s - self.batch[-1].came_at)
        padded_s = max(each.audio_s for each in self.batch) * len(self.batch)
        self.batch_ends_at = self.now_s + FIXED_S + PER_AUDIO_S * padded_s

    def end_batch(self) -> None:
        for recording in self.batch:
            recording.progress.done(recording.audio_s)
            recording.visit.close()
            self.done.append((self.now_s, recording))
        self.batch, self.batch_ends_at = [], float("inf")


async def peak(seed: int) -> tuple[float, float]:
    """Audio seconds and recordings a second, where there is always enough to do."""
    world = World(1, random.Random(seed))
    goodput = await world.run(40.0, is_weighed=False)
    return goodput, len(world.done) / FOR_S


@pytest.mark.parametrize("num_ingresses", [1, 3])
@pytest.mark.parametrize("factor", [2, 10])
async def test_overload_costs_no_goodput_and_nobody_inside_waits_too_long(
    num_ingresses: int, factor: int
) -> None:
    for seed in range(3):
        goodput, per_s = await peak(seed)
        world = World(num_ingresses, random.Random(seed + 100))
        assert await world.run(factor * per_s) >= 0.95 * goodput
        assert len(world.retry_after_s) > 0.4 * factor * len(world.done)
        assert all(1.0 <= each <= 60.0 for each in world.retry_after_s)
        # Until a rate was measured and heard of, all were let in; that has passed by now.
        settled = world.waits_s[len(world.waits_s) // 2 :]
        assert max(settled) < 1.3 * MAX_WAIT_S
        assert sum(settled) / len(settled) > 0.6 * MAX_WAIT_S  # and the queue is used


async def test_below_the_peak_nobody_is_refused() -> None:
    for seed in range(3):
        _, per_s = await peak(seed)
        world = World(2, random.Random(seed + 100))
        await world.run(0.8 * per_s)
        assert world.retry_after_s == []
