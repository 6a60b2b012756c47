"""How much audio of one model a preprocessor may decode ahead: as much as its replicas may hold.

What a replica would refuse waits in the preprocessor instead, where decoding waits too, a chunk of
each recording in turn; and what all replicas can hold is offered to them, so that autoscaling sees
how much there is to do. How many there are is learnt from who answers.
"""

import time
from collections.abc import Callable

from serve_app.pipelines.budget import AudioBudget

_FORGET_AFTER_S = 60.0
"""A replica that has answered nothing for so long may be gone."""


class Ahead:
    """One model's budget, and the replicas that answered lately. One is taken to be there."""

    def __init__(
        self, limit_s: float, per_replica_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit_s = limit_s
        self._per_replica_s = per_replica_s
        self._clock = clock
        self._answered_at: dict[str, float] = {}
        self.budget = AudioBudget(min(limit_s, per_replica_s))

    def answered(self, replica: str) -> None:
        """A replica has answered."""
        now = self._clock()
        self._answered_at[replica] = now
        for name in [n for n, at in self._answered_at.items() if now - at > _FORGET_AFTER_S]:
            del self._answered_at[name]
        limit_s = min(self._limit_s, self._per_replica_s * len(self._answered_at))
        if limit_s != self.budget.limit_s:
            self.budget.limit(limit_s)
