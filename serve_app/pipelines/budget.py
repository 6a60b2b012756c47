"""How much audio may be decoded and not yet recognised, over all recordings of a process."""

import asyncio
from collections import deque


class AudioBudget:
    """A semaphore that counts audio seconds; first come, first served.

    Each recording asks for one chunk at a time and waits for it, so first come, first served
    is one chunk of each recording in turn. A chunk above the whole budget goes alone.
    """

    def __init__(self, limit_s: float = float("inf")) -> None:
        self.limit_s = limit_s
        self._waiting: deque[tuple[asyncio.Future[None], float]] = deque()
        self.held_s = 0.0

    @property
    def is_waited_for(self) -> bool:
        return bool(self._waiting)

    def limit(self, limit_s: float) -> None:
        """Hold `limit_s` from now on; what is held above it is not taken back."""
        self.limit_s = limit_s
        self._admit()

    async def acquire(self, audio_s: float) -> None:
        if not self._waiting and self._fits(audio_s):
            self.held_s += audio_s
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, audio_s))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(audio_s)
            else:
                turn.cancel()
                self._admit()
            raise

    def release(self, audio_s: float) -> None:
        self.held_s -= audio_s
        self._admit()

    def _fits(self, audio_s: float) -> bool:
        # Sums of fractions end a little beside nothing.
        return self.held_s < 1e-6 or self.held_s + audio_s <= self.limit_s

    def _admit(self) -> None:
        while self._waiting:
            turn, audio_s = self._waiting[0]
            if not turn.done():
                if not self._fits(audio_s):
                    return
                self.held_s += audio_s
                turn.set_result(None)
            self._waiting.popleft()
