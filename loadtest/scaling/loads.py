"""A load's name and a seed in, arrivals out. Loads are in replicas that would be full with them."""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

_MEDIAN_S, _SPREAD = 6.0, 0.6
_SHORTEST_S, _LONGEST_S = 1.0, 25.0
"""Lengths are log-normal, as those of utterances are."""
_MEAN_S = _MEDIAN_S * math.exp(_SPREAD**2 / 2)
_LONG_S = 60.0
BEGINS_AT_S = 10.0
"""When a load rises first; before that is what one replica does with ease."""


@dataclass(frozen=True, slots=True)
class Arrival:
    at_s: float
    audio_s: float


@dataclass(frozen=True, slots=True)
class Load:
    """How much comes in, over time."""

    name: str
    story: str
    for_s: float
    level: Callable[[float], float]
    """Of clips, at a time, in replicas."""
    num_turns: int
    """How often it turns from rising to falling or back: following it is no flapping."""
    long_at_s: tuple[float, ...] = ()
    """When recordings of a minute come."""
    num_long: int = 0
    """How many of them each time."""

    def arrivals(self, per_s: float, seed: int) -> list[Arrival]:
        """For replicas that clear `per_s` audio seconds a second; the same for the same seed."""
        found = [*self._clips(per_s, random.Random(f"{self.name} {seed}"))]
        found += [Arrival(at_s, _LONG_S) for at_s in self.long_at_s for _ in range(self.num_long)]
        return sorted(found, key=lambda arrival: arrival.at_s)

    def _clips(self, per_s: float, rng: random.Random) -> Iterator[Arrival]:
        """A Poisson process by thinning: Lewis and Shedler, 1979."""
        most = max(self.level(at_s) for at_s in range(math.ceil(self.for_s)))
        at_s = 0.0
        while (at_s := at_s + rng.expovariate(most * per_s / _MEAN_S)) < self.for_s:
            audio_s = rng.lognormvariate(math.log(_MEDIAN_S), _SPREAD)
            if rng.random() * most < self.level(at_s):
                yield Arrival(at_s, min(max(audio_s, _SHORTEST_S), _LONGEST_S))

    def ideal_replica_s(
        self, arrivals: Sequence[Arrival], per_s: float, *, until_s: float
    ) -> float:
        """What a scaler would spend that starts replicas in no time, keeps them full, and has one
        in any case."""
        busy = [0.0] * math.ceil(max(self.for_s, until_s))
        for arrival in arrivals:
            busy[int(arrival.at_s)] += arrival.audio_s / per_s
        spent, left = 0.0, 0.0
        for work in busy:
            left += work
            done = min(left, _MOST)
            left -= done
            spent += max(1.0, done)
        return spent + left


_MOST = 8.0
"""Replicas that there may be."""


@dataclass(frozen=True, slots=True)
class _Steps:
    """Straight lines between points."""

    points: tuple[tuple[float, float], ...] = field(default=())

    def __call__(self, at_s: float) -> float:
        (x0, y0), *rest = self.points
        for x1, y1 in rest:
            if at_s < x1:
                return y0 + (y1 - y0) * max(0.0, at_s - x0) / (x1 - x0)
            x0, y0 = x1, y1
        return y0


def loads(minutes: float) -> list[Load]:
    """All of them, each so long."""
    end_s = minutes * 60.0
    high_s = 0.6 * end_s

    def day(at_s: float) -> float:
        phase = max(0.0, at_s - BEGINS_AT_S) / (end_s - BEGINS_AT_S) * 2
        return 0.4 + 2.3 * (1 - math.cos(2 * math.pi * phase))

    step = _Steps(
        ((0, 0.5), (BEGINS_AT_S, 0.5), (BEGINS_AT_S + 1, 4.5), (high_s, 4.5), (high_s + 1, 0.5))
    )
    ramp = _Steps(((0, 0.5), (BEGINS_AT_S, 0.5), (high_s, 6.0), (0.75 * end_s, 0.5)))
    return [
        Load("step", "from half a replica's load to four and a half at once, and back", end_s,
             step, num_turns=1),
        Load("ramp", "slowly up to six, fast down", end_s, ramp, num_turns=1),
        Load("burst", "half a replica's load, and twice eight recordings of a minute at once",
             end_s, lambda _: 0.5, num_turns=3, long_at_s=(BEGINS_AT_S, 0.55 * end_s), num_long=8),
        Load("day", "two days, each from 0.4 to 5 and back", end_s, day, num_turns=3),
    ]  # fmt: skip
