"""What callers tell a replica with each request, on its way to the policy.

A replica sees only what has reached it. What waits at the preprocessors, decoded or not, each of
them tells with every chunk that it sends, to whichever replica takes it; the replicas report it
under the caller's name, and the policy believes the last word of each.


A demand travels only with chunks, so the last one of a caller that has finished is never taken
back. But who has audio that waits has chunks at the replicas, too: the last word of one that has
left none with them for a second does not stand any more.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from serve_app.config import BatchConfig
from serve_app.models.protocols import Allowance, Demand, RecognitionRequest

BELIEVED_FOR_S = 10.0
"""Who has sent nothing for so long wants nothing any more, or is gone."""
_FIELDS = ("told_at", "waiting_audio_s", "arriving_audio_s_per_s")
_IS_HERE = "is_here"
_AWAY_AFTER_S = 1.0
"""Without a chunk at the replica. Between two batches a caller may have none for a moment."""


class Callers:
    """Those that a replica has heard of lately."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[str, tuple[float, Demand]] = {}

    def hear(self, demand: Demand) -> None:
        _, before = self._heard.get(demand.caller, (0.0, demand))
        if demand.told_at >= before.told_at:  # requests overtake each other
            self._heard[demand.caller] = self._clock(), demand

    def share_of(self, caller: str, among: Container[str]) -> float:
        """The part of all that waits, at it and `among` others, which waits at `caller`; 1 where
        nobody else tells."""
        demands = {
            demand.caller: demand.waiting_audio_s
            for demand in self._believed()
            if demand.caller == caller or demand.caller in among
        }
        total_s = sum(demands.values())
        return demands.get(caller, 0.0) / total_s if total_s else 1.0

    def stats(self, here: Container[str]) -> dict[str, float]:
        """For `record_autoscaling_stats`: see `demands`. `here`: who has chunks at the replica."""
        found: dict[str, float] = {}
        for demand in self._believed():
            for name in _FIELDS:
                found[f"{name}:{demand.caller}"] = float(getattr(demand, name))
            found[f"{_IS_HERE}:{demand.caller}"] = float(demand.caller in here)
        return found

    def _believed(self) -> Iterator[Demand]:
        since = self._clock() - BELIEVED_FOR_S
        for name in [name for name, (at, _) in self._heard.items() if at < since]:
            del self._heard[name]
        return (demand for _, demand in self._heard.values())


class Holding:
    """What one replica holds, and how much of it each caller may give it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._callers = Callers(clock)
        self._held_s = 0.0
        self._num_chunks = Counter[str]()
        self._left_at: dict[str, float] = {}

    @property
    def held_s(self) -> float:
        """Audio seconds that have come and are not answered yet."""
        return max(0.0, self._held_s)

    @contextmanager
    def of(self, request: RecognitionRequest) -> Iterator[None]:
        """One chunk, from its coming until its answer."""
        caller = request.demand.caller if request.demand else ""
        if request.demand is not None:
            self._callers.hear(request.demand)
        self._held_s += request.chunk.duration_s
        self._num_chunks[caller] += 1
        try:
            yield
        finally:
            self._held_s -= request.chunk.duration_s
            self._num_chunks[caller] -= 1
            if not self._num_chunks[caller]:
                del self._num_chunks[caller]  # callers come and go
                self._left_at[caller] = self._clock()

    def allowance(self, request: RecognitionRequest, allowed: Allowance) -> Allowance:
        """Its caller's share of what may be held, among those that have something here."""
        share = 1.0
        if request.demand is not None:
            share = self._callers.share_of(request.demand.caller, self._here())
        return Allowance(share * allowed.audio_s, share * allowed.num_chunks)

    def stats(self) -> dict[str, float]:
        """For `record_autoscaling_stats`: what is held, and of whom."""
        return {"held_audio_s": self.held_s, **self._callers.stats(self._here())}

    def _here(self) -> Container[str]:
        since = self._clock() - _AWAY_AFTER_S
        self._left_at = {name: at for name, at in self._left_at.items() if at >= since}
        return self._num_chunks.keys() | self._left_at.keys()


def full_batches(batch: BatchConfig, num_batches: float) -> Allowance:
    """So many of them."""
    return Allowance(num_batches * batch.max_batch_audio_s, num_batches * batch.max_batch_size)


Metrics = Mapping[str, Mapping[Any, Sequence[Any]]]
"""By name and replica, a series of what has a `timestamp` and a `value`."""


def latest(metrics: Metrics, name: str) -> dict[Any, float]:
    """Of each replica, what it said last. Serve's own mean over the look-back period lags."""
    return {
        replica: series[-1].value for replica, series in metrics.get(name, {}).items() if series
    }


def demands(metrics: Metrics, *, now: float, believed_for_s: float) -> list[Demand]:
    """The last word of each caller, to whichever replica, where it is not too old. Nothing waits
    at one that has chunks at no replica."""
    found: dict[str, Demand] = {}
    for key in metrics:
        field, _, caller = key.partition(":")
        if field != _FIELDS[0] or not caller:
            continue
        values = [latest(metrics, f"{name}:{caller}") for name in _FIELDS]
        for replica, told_at in values[0].items():
            rest = [each[replica] for each in values[1:] if replica in each]
            is_news = caller not in found or told_at > found[caller].told_at
            if len(rest) == len(_FIELDS) - 1 and is_news and now - told_at <= believed_for_s:
                found[caller] = Demand(caller, told_at, *rest)
    return [_standing(demand, metrics) for demand in found.values()]


def _standing(demand: Demand, metrics: Metrics) -> Demand:
    # A replica of another version does not say who is there.
    is_here = latest(metrics, f"{_IS_HERE}:{demand.caller}")
    all_say = is_here.keys() >= latest(metrics, f"{_FIELDS[0]}:{demand.caller}").keys()
    if all_say and not any(is_here.values()):
        return replace(demand, waiting_audio_s=0.0)
    return demand


def faded(demand: Demand, *, now: float, memory_s: float) -> float:
    """The audio seconds that arrive a second at a caller, where it has told of none since."""
    return demand.arriving_audio_s_per_s * math.exp(-max(0.0, now - demand.told_at) / memory_s)
