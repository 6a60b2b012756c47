"""What was seen of an arm in, the four numbers out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from loadtest.bench.ratios import quantile
from loadtest.scaling.callers import Outcome
from loadtest.scaling.live import Visit
from loadtest.scaling.loads import BEGINS_AT_S, Load

TAKEN_AT_ONCE_S = 2.0
"""A stream that has waited no longer for its slot."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Replicas of one arm from a load's begin on."""

    at_s: tuple[float, ...]
    running: tuple[int, ...]
    target: tuple[int, ...]
    """With those that start."""

    @property
    def began_with_one(self) -> bool:
        """Which served, and no other was starting: else the arm was ahead of the load, or behind
        it, before it came."""
        return self.running[0] == self.target[0] == 1

    def replica_s(self, until_s: float) -> float:
        """Of all that are there, starting ones included: they hold their GPU."""
        spent = 0.0
        for (at_s, count), (next_s, _) in pairwise(zip(self.at_s, self.target, strict=True)):
            spent += count * max(0.0, min(next_s, until_s) - max(at_s, 0.0))
        return spent

    def first_added_s(self, rises_at_s: float) -> float | None:
        """From when the load rises until one more replica than before serves."""
        seen = list(zip(self.at_s, self.running, strict=True))
        before = [count for at_s, count in seen if at_s < rises_at_s]
        for at_s, count in seen:
            if before and at_s >= rises_at_s and count > before[-1]:
                return at_s - rises_at_s
        return None

    @property
    def num_turns(self) -> int:
        """How often a change of the number undid the one before."""
        steps = [b - a for a, b in pairwise(self.target) if a != b]
        return sum(a * b < 0 for a, b in pairwise(steps))


@dataclass(frozen=True, slots=True)
class Run:
    """An arm under one load."""

    load: Load
    arm: str
    outcomes: tuple[Outcome, ...]
    trace: Trace

    @property
    def name(self) -> str:
        return self.load.name


@dataclass(frozen=True, slots=True)
class LiveRun:
    """An arm under a ramp of streams."""

    arm: str
    visits: tuple[Visit, ...]
    trace: Trace
    for_s: float

    @property
    def name(self) -> str:
        return "live streams"


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a run comes to."""

    first_added_s: float | None
    in_time: float
    """Part of all that came."""
    over_ideal: float
    """Replica-seconds over the ideal."""
    num_flaps: int
    """Turns beyond those of the load itself."""
    median_s: float
    p95_s: float
    num_failed: int


def numbers(run: Run, *, objective_s: float, per_s: float) -> Numbers:
    """An answer is in time within `objective_s` and what its audio takes one replica."""
    took_s = [outcome.took_s for outcome in run.outcomes]
    num_in_time = sum(is_in_time(each, objective_s, per_s) for each in run.outcomes)
    until_s = run.trace.at_s[-1]
    arrivals = [each.arrival for each in run.outcomes]
    ideal_s = run.load.ideal_replica_s(arrivals, per_s, until_s=until_s)
    return Numbers(
        run.trace.first_added_s(BEGINS_AT_S),
        num_in_time / len(run.outcomes),
        run.trace.replica_s(until_s) / ideal_s,
        max(0, run.trace.num_turns - run.load.num_turns),
        quantile(took_s, 0.5),
        quantile(took_s, 0.95),
        sum(outcome.status != 200 for outcome in run.outcomes),
    )


def void_loads(runs: Sequence[Run | LiveRun]) -> list[str]:
    """Names of those in which an arm did not begin with one replica: it cannot be held against the
    other."""
    void = [run.name for run in runs if not run.trace.began_with_one]
    return list(dict.fromkeys(void))


def is_in_time(outcome: Outcome, objective_s: float, per_s: float) -> bool:
    within_s = objective_s + outcome.arrival.audio_s / per_s
    return outcome.status == 200 and outcome.took_s <= within_s
