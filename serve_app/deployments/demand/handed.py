"""Chunks handed to a model's replicas and not yet answered, so that none of them hoards.

What a replica holds cannot move to a new one. So a caller hands over about two batches for each
replica that answers, in chunks and in audio seconds, and keeps the rest, where recordings take
turns, a chunk each. Serve's own bound, `max_ongoing_requests`, is none to wait at: its router asks
full replicas again after up to half a second, in which they may have run dry.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from serve_app.deployments.batching.turns import Turns
from serve_app.models.protocols import Allowance

_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    audio_s: float
    turn: asyncio.Future[None]


class Handed:
    """Of one caller to one model. A chunk above all of it goes alone."""

    def __init__(self, allowed: Allowance) -> None:
        self.allowed = allowed
        self.held_s = 0.0
        self.num_held = 0
        self._waiting = Turns[_Waiting]()

    @property
    def is_waited_for(self) -> bool:
        """Whether the replicas have all that they may, and more is there."""
        return len(self._waiting) > 0

    @property
    def num_waiting(self) -> int:
        """Chunks that no replica may have yet."""
        return len(self._waiting)

    @property
    def waiting_s(self) -> float:
        """Their audio."""
        return sum(each.audio_s for each in self._waiting)

    def allow(self, allowed: Allowance) -> None:
        """From now on; what is held above it is not taken back."""
        self.allowed = allowed
        self._admit()

    @asynccontextmanager
    async def place(self, recording: str, audio_s: float) -> AsyncIterator[None]:
        """Held as long as the replica has the chunk."""
        await self._enter(recording, audio_s)
        try:
            yield
        finally:
            self._release(audio_s)
            self._admit()

    async def _enter(self, recording: str, audio_s: float) -> None:
        if not self._waiting and self._fits(audio_s):
            self._take(audio_s)
            return
        waiting = _Waiting(audio_s, asyncio.get_running_loop().create_future())
        self._waiting.add(recording, waiting)
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting.turn.done() and not waiting.turn.cancelled():
                self._release(audio_s)  # its turn had come in the same moment
            else:
                self._waiting.keep(lambda other: other is not waiting)
            self._admit()
            raise

    def _take(self, audio_s: float) -> None:
        self.num_held += 1
        self.held_s += audio_s

    def _release(self, audio_s: float) -> None:
        self.num_held -= 1
        # Not by subtraction alone: nothing holds 0 s, and not a rounding error.
        self.held_s = self.held_s - audio_s if self.num_held else 0.0

    def _fits(self, audio_s: float) -> bool:
        return not self.num_held or (
            self.held_s + audio_s <= self.allowed.audio_s + _ROUNDING
            and self.num_held + 1 <= self.allowed.num_chunks + _ROUNDING
        )

    def _admit(self) -> None:
        while self._waiting and self._fits(self._waiting.first.audio_s):
            (waiting,) = self._waiting.take(1)
            if not waiting.turn.done():
                self._take(waiting.audio_s)
                waiting.turn.set_result(None)
