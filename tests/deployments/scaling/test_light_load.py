"""Batches that grow with what waits, measured by real paces, under the policy and Serve's rules."""

import math
import random

import pytest
from ray.serve import autoscaling_policy
from ray.serve.config import AutoscalingConfig

from serve_app.config import BatchConfig
from serve_app.deployments.batching.pace import BatchReport, Pace
from serve_app.deployments.demand.workload import ARRIVALS_MEMORY_S
from serve_app.deployments.scaling import AudioPolicy
from serve_app.models.protocols import Demand
from tests.deployments.scaling.contexts import context, joined, told

CHUNK_S = 5.0
CONFIG = BatchConfig(max_batch_audio_s=100.0, max_batch_size=20)
TICK_S = 0.05


class Replica:
    """Takes all that waits each time it is free."""

    def __init__(self, fixed_s: float, per_audio_s: float, ready_at: float) -> None:
        self._costs = fixed_s, per_audio_s
        self.pace = Pace()
        self.num_waiting = self._num_inside = 0
        self.free_at = ready_at

    @property
    def num_chunks(self) -> int:
        return self.num_waiting + self._num_inside

    def advance(self, now: float) -> None:
        if now < self.free_at:
            return
        self._num_inside = min(self.num_waiting, CONFIG.max_batch_size)
        if self._num_inside:
            self.num_waiting -= self._num_inside
            audio_s = CHUNK_S * self._num_inside
            took_s = self._costs[0] + self._costs[1] * audio_s
            self.free_at = now + took_s
            self.pace.ran(BatchReport(self._num_inside, audio_s, audio_s, took_s))


class Plant:
    """Chunks, all alike, to the replica that has the fewest; the policy decides each second."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, fixed_s: float, per_audio_s: float
    ) -> None:
        self.now = 1_000.0
        monkeypatch.setattr(autoscaling_policy.time, "time", lambda: self.now)
        self._costs = fixed_s, per_audio_s
        self._config = AutoscalingConfig(
            min_replicas=1, max_replicas=8, upscale_delay_s=2.0, downscale_delay_s=200.0
        )
        self._policy = autoscaling_policy._apply_autoscaling_config(AudioPolicy())  # type: ignore[arg-type]  # a class's instance
        self._state: dict[str, object] = {}
        self._replicas = [Replica(fixed_s, per_audio_s, self.now)]
        self._arrivals_s = 0.0
        self.targets: list[int] = []

    @property
    def full_per_s(self) -> float:
        return CONFIG.max_batch_audio_s / (
            self._costs[0] + self._costs[1] * CONFIG.max_batch_audio_s
        )

    def run(self, for_s: float, per_s: float, rng: random.Random | None) -> None:
        """So many audio seconds a second arrive: at random, or evenly."""
        due = 0.0
        for tick in range(round(for_s / TICK_S)):
            self.now += TICK_S
            due += per_s * TICK_S / CHUNK_S
            here = [each for each in self._replicas if each.free_at <= self.now or each.num_chunks]
            self._arrivals_s *= math.exp(-TICK_S / ARRIVALS_MEMORY_S)
            while due >= 1.0:
                due -= 1.0 if rng is None else rng.expovariate(1.0)
                min(here, key=lambda each: each.num_chunks).num_waiting += 1
                self._arrivals_s += CHUNK_S
            for replica in self._replicas:
                replica.advance(self.now)
            if tick % round(1 / TICK_S) == 0:
                self._decide()

    def _decide(self) -> None:
        waiting_s = CHUNK_S * sum(each.num_chunks for each in self._replicas)
        demand = Demand("x", self.now, waiting_s, self._arrivals_s / ARRIVALS_MEMORY_S)
        rates = {
            f"{index}": each.pace.full_per_s(CONFIG) for index, each in enumerate(self._replicas)
        }
        seen = context(joined(told(demand, "0"), {"audio_s_per_s": rates}), now=self.now)
        seen.policy_state, seen.config = dict(self._state), self._config
        seen.target_num_replicas = seen.current_num_replicas = len(self._replicas)
        found, self._state = self._policy(seen)
        target = max(1, min(8, found))
        while len(self._replicas) < target:
            self._replicas.append(Replica(*self._costs, self.now + 5.0))
        for gone in self._replicas[target:]:
            self._replicas[0].num_waiting += gone.num_chunks  # called again
        del self._replicas[target:]
        self.targets.append(target)


@pytest.mark.parametrize("evenly", [True, False])
@pytest.mark.parametrize("seed", range(10))
def test_after_a_rush_many_replicas_with_small_batches_do_not_stay_for_their_sake(
    monkeypatch: pytest.MonkeyPatch, seed: int, evenly: bool
) -> None:
    rng = random.Random(seed)
    plant = Plant(
        monkeypatch, fixed_s=rng.uniform(0.1, 1.5), per_audio_s=10 ** rng.uniform(-3.0, -1.3)
    )
    plant.run(60.0, plant.full_per_s * rng.uniform(3.0, 6.0), rng)
    light = plant.full_per_s * rng.uniform(0.1, 0.6)
    plant.run(700.0, light, None if evenly else rng)
    plant.targets.clear()
    plant.run(600.0, light, None if evenly else rng)
    assert set(plant.targets) == {1}  # which is what it takes, in batches of several chunks
