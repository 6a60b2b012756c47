"""How much audio of one model a preprocessor may decode ahead and have with the replicas, and of
one recording no more than its share.

What may wait in front of the replicas is decoded; of that, they are given what they may hold, as
each of them says in its answers. The rest waits here, where it can still go to a new replica, and
decoding waits with it, a chunk of each recording in turn. How many replicas there are is learnt
from who answers.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from serve_app.deployments.scaling.handed import Handed
from serve_app.models.protocols import Allowance
from serve_app.pipelines.budget import AudioBudget

_FORGET_AFTER_S = 60.0
"""A replica that has answered nothing for so long may be gone."""


_ANY = Allowance(float("inf"), float("inf"))


class Ahead:
    """One model's budget, and the replicas that answered lately. One is taken to be there."""

    def __init__(
        self,
        limit_s: float,
        per_replica_s: float,
        share_s: float = float("inf"),
        held: Allowance = _ANY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`share_s` is one recording's, for each replica; `held` is what a replica may hold
        that says nothing of it."""
        self._limit_s = limit_s
        self._per_replica_s = per_replica_s
        self._share_s = share_s
        self._shares: set[AudioBudget] = set()
        self._held = held
        self._clock = clock
        self._answered: dict[str, tuple[float, Allowance]] = {}
        """Each replica: when it answered last, and what it may hold."""
        self.budget = AudioBudget(min(limit_s, per_replica_s))
        self.handed = Handed(held)

    @property
    def is_full(self) -> bool:
        """Whether the replicas hold all that they may, and more waits; or decoding does."""
        return self.handed.is_waited_for or self.budget.is_waited_for

    @contextmanager
    def share(self) -> Iterator[AudioBudget]:
        """That of one recording, which grows with the number of replicas."""
        share = AudioBudget(self._share_s * max(1, len(self._answered)))
        self._shares.add(share)
        try:
            yield share
        finally:
            self._shares.discard(share)

    def answered(self, replica: str, allowance: Allowance | None = None) -> None:
        """A replica has answered, and says how much of this caller's it may hold."""
        now = self._clock()
        self._answered[replica] = now, allowance or self._held
        for name in [n for n, (at, _) in self._answered.items() if now - at > _FORGET_AFTER_S]:
            del self._answered[name]
        num_replicas = len(self._answered)
        allowed = Allowance(
            sum(each.audio_s for _, each in self._answered.values()),
            sum(each.num_chunks for _, each in self._answered.values()),
        )
        if allowed != self.handed.allowed:
            self.handed.allow(allowed)
        limit_s = min(self._limit_s, self._per_replica_s * num_replicas)
        if limit_s != self.budget.limit_s:
            self.budget.limit(limit_s)
        for share in self._shares:
            if share.limit_s != self._share_s * num_replicas:
                share.limit(self._share_s * num_replicas)
