"""Policies under Serve's own delays, by a clock of the test's own, on loads that waver."""

import math
import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from ray.serve import autoscaling_policy
from ray.serve.config import AutoscalingConfig, AutoscalingContext

from serve_app.deployments.demand.workload import ARRIVALS_MEMORY_S
from serve_app.deployments.scaling import AudioPolicy
from serve_app.deployments.scaling.settling import settled
from serve_app.models.protocols import Demand
from tests.deployments.scaling.contexts import context, joined, told

PER_S = 10.0


def test_up_at_once_and_down_to_the_most_of_late() -> None:
    """A delay of 600 s, of which the later half counts."""
    assert settled(6.2, context({}, target=4)) == (7, {})
    state: dict[str, object] = {}
    for now, wanted, replicas in (
        (0.0, 4.0, 5),  # a fifth more than is wanted
        (200.0, 1.0, 2),
        (350.0, 2.0, 3),
        (450.0, 1.0, 3),
        (590.0, 0.0, 3),
    ):
        found, state = settled(wanted, context({}, target=6, state=state, now=now))
        assert found == replicas
    near = context({}, target=6, state=state, now=595.0)
    assert settled(5.5, near) == (6, {})  # too near to go down
    assert settled(0.0, context({}, target=3, state=state, now=595.0))[0] == 0  # it has gone down


class Plant:
    """Audio that flows in, replicas that clear it and take their time to start; Serve's rules."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, policy: Callable[..., object], start_s: float = 5.0
    ) -> None:
        self.now = 1_000.0
        self.config = AutoscalingConfig(
            min_replicas=1, max_replicas=8, upscale_delay_s=2.0, downscale_delay_s=30.0
        )
        monkeypatch.setattr(autoscaling_policy.time, "time", lambda: self.now)
        self._policy = autoscaling_policy._apply_autoscaling_config(policy)  # type: ignore[arg-type]  # a class's instance
        self._start_s = start_s
        self._ready_at: list[float] = [0.0]
        self._state: dict[str, object] = {}
        self._waiting_s = self._arrivals = 0.0
        self.targets: list[int] = []
        self.waits_s: list[float] = []

    def run(self, for_s: float, arrive: Callable[[float], float]) -> None:
        """`arrive` tells the audio that comes in the next tenth of a second."""
        for tick in range(round(for_s * 10)):
            self.now += 0.1
            running = sum(at <= self.now for at in self._ready_at)
            audio_s = arrive(tick / 10)
            self._arrivals = self._arrivals * math.exp(-0.1 / ARRIVALS_MEMORY_S) + audio_s
            self._waiting_s = max(0.0, self._waiting_s + audio_s - running * PER_S * 0.1)
            self.waits_s.append(self._waiting_s / (running * PER_S))
            if tick % 10 == 0:
                seen = self._context(running)
            self._decide(seen)

    def _context(self, running: int) -> AutoscalingContext:
        demand = Demand("x", self.now, self._waiting_s + 0.1, self._arrivals / ARRIVALS_MEMORY_S)
        rates = {"audio_s_per_s": {f"{index}": PER_S for index in range(running)}}
        return context(joined(told(demand, "0"), rates), now=self.now)

    def _decide(self, seen: AutoscalingContext) -> None:
        seen.policy_state, seen.config = dict(self._state), self.config
        seen.target_num_replicas = seen.current_num_replicas = len(self._ready_at)
        found, self._state = self._policy(seen)
        target = max(1, min(8, found))
        self._ready_at += [self.now + self._start_s] * (target - len(self._ready_at))
        del self._ready_at[target:]
        self.targets.append(target)

    @property
    def num_turns(self) -> int:
        """How often a change undid the one before."""
        steps = [b - a for a, b in pairwise(self.targets) if a != b]
        return sum(a * b < 0 for a, b in pairwise(steps))


def clips(rng: random.Random, per_s: Callable[[float], float]) -> Callable[[float], float]:
    """A Poisson process of clips, log-normal in length, of so many audio seconds a second."""

    def arrive(at_s: float) -> float:
        count = sum(rng.random() < per_s(at_s) / 6.4 / 100 for _ in range(10))
        return sum(rng.lognormvariate(math.log(5.0), 0.7) for _ in range(count))

    return arrive


@pytest.mark.parametrize("load", [0.7, 1.5, 2.4, 4.0, 6.0])
def test_a_load_that_stays_is_met_and_turns_hardly_a_decision_round(
    monkeypatch: pytest.MonkeyPatch, load: float
) -> None:
    """Clips at random, some one to nine a second; five times five minutes of them."""
    num_turns, waits_s = 0, list[float]()
    for seed in range(5):
        plant = Plant(monkeypatch, AudioPolicy())
        plant.run(60.0, clips(random.Random(seed), lambda _: load * PER_S))
        plant.targets.clear()
        plant.waits_s.clear()
        plant.run(300.0, clips(random.Random(seed + 100), lambda _: load * PER_S))
        num_turns += plant.num_turns
        waits_s += plant.waits_s
    assert num_turns <= 5
    assert sum(wait_s <= 5.0 for wait_s in waits_s) >= 0.95 * len(waits_s)


def test_a_step_is_followed_up_once_and_down_once(monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Plant(monkeypatch, AudioPolicy())
    rng = random.Random(7)
    plant.run(280.0, clips(rng, lambda at_s: PER_S * (4.5 if 30 <= at_s < 130 else 0.3)))
    assert max(plant.targets) >= 6
    assert plant.targets[-1] == 1
    assert plant.num_turns == 1
    first = next(index for index, target in enumerate(plant.targets) if target > 1)
    assert 30.0 <= first / 10 <= 36.0
