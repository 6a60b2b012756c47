"""How much audio of one model a preprocessor may decode ahead: as much as its replicas may hold,
and of one recording no more than its share.

What a replica would refuse waits in the preprocessor instead, where decoding waits too, a chunk of
each recording in turn; and what all replicas can hold is offered to them, so that autoscaling sees
how much there is to do. How many there are is learnt from who answers.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from serve_app.pipelines.budget import AudioBudget

_FORGET_AFTER_S = 60.0
"""A replica that has answered nothing for so long may be gone."""


class Ahead:
    """One model's budget, and the replicas that answered lately. One is taken to be there."""

    def __init__(
        self,
        limit_s: float,
        per_replica_s: float,
        share_s: float = float("inf"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`share_s` is one recording's, for each replica."""
        self._limit_s = limit_s
        self._per_replica_s = per_replica_s
        self._share_s = share_s
        self._shares: set[AudioBudget] = set()
        self._clock = clock
        self._answered_at: dict[str, float] = {}
        self.budget = AudioBudget(min(limit_s, per_replica_s))

    @contextmanager
    def share(self) -> Iterator[AudioBudget]:
        """That of one recording, which grows with the number of replicas."""
        share = AudioBudget(self._share_s * max(1, len(self._answered_at)))
        self._shares.add(share)
        try:
            yield share
        finally:
            self._shares.discard(share)

    def answered(self, replica: str) -> None:
        """A replica has answered."""
        now = self._clock()
        self._answered_at[replica] = now
        for name in [n for n, at in self._answered_at.items() if now - at > _FORGET_AFTER_S]:
            del self._answered_at[name]
        num_replicas = len(self._answered_at)
        limit_s = min(self._limit_s, self._per_replica_s * num_replicas)
        if limit_s != self.budget.limit_s:
            self.budget.limit(limit_s)
        for share in self._shares:
            if share.limit_s != self._share_s * num_replicas:
                share.limit(self._share_s * num_replicas)
