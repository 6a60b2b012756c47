"""How much audio of one model a preprocessor may decode ahead and have with the replicas, and of
one recording no more than its share.

What may wait in front of the replicas is decoded; of that, they are given what they may hold, as
each of them says in its answers. The rest waits here, where it can still go to a new replica, and
decoding waits with it, a chunk of each recording in turn. How many replicas there are is learnt
from who answers.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

from serve_app.deployments.demand.handed import Handed
from serve_app.models.protocols import Allowance
from serve_app.pipelines.budget import AudioBudget

_FORGET_AFTER_S = 60.0
"""A replica that has answered nothing for so long may be gone."""
_PROVE_WITHIN_S = 5.0
"""Where one was lost, nobody says which: those that are there have answered within this."""

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
        """`limit_s` may be decoded and not yet recognised in all, `per_replica_s` for each
        replica, `share_s` of one recording for each; `held` is what a replica may hold that says
        nothing of it."""
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
        self._forget()
        share = AudioBudget(self._share_s * max(1, len(self._answered)))
        self._shares.add(share)
        try:
            yield share
        finally:
            self._shares.discard(share)

    def place(self, recording: str, audio_s: float) -> AbstractAsyncContextManager[None]:
        """One chunk's with the replicas: see `Handed.place`."""
        self._forget()
        return self.handed.place(recording, audio_s)

    def answered(self, replica: str, allowance: Allowance | None = None) -> None:
        """A replica has answered, and says how much of this caller's it may hold."""
        self._answered[replica] = self._clock(), allowance or self._held
        self._forget()
        self._bound()

    def lost(self) -> None:
        """One of the replicas is gone."""
        at_most = self._clock() - _FORGET_AFTER_S + _PROVE_WITHIN_S
        self._answered = {
            name: (min(at, at_most), allowance) for name, (at, allowance) in self._answered.items()
        }

    def _forget(self) -> None:
        """Those that may be gone; what they would hold goes to nobody."""
        since = self._clock() - _FORGET_AFTER_S
        if silent := [name for name, (at, _) in self._answered.items() if at < since]:
            for name in silent:
                del self._answered[name]
            self._bound()

    def _bound(self) -> None:
        num_replicas = max(1, len(self._answered))
        each_holds = [allowance for _, allowance in self._answered.values()] or [self._held]
        allowed = Allowance(
            sum(each.audio_s for each in each_holds), sum(each.num_chunks for each in each_holds)
        )
        if allowed != self.handed.allowed:
            self.handed.allow(allowed)
        limit_s = min(self._limit_s, self._per_replica_s * num_replicas)
        if limit_s != self.budget.limit_s:
            self.budget.limit(limit_s)
        for share in self._shares:
            if share.limit_s != self._share_s * num_replicas:
                share.limit(self._share_s * num_replicas)
