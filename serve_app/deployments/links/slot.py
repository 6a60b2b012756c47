"""One stream's end of a link: frames wait here for their push, texts for who reads them."""

import asyncio
import time
from collections import deque
from typing import Protocol

from serve_app.models.protocols import StreamOptions, StreamText
from serve_app.pipelines.streaming.host import SlotFrame, SlotLostError


class Holder(Protocol):
    """The link that a slot is held by."""

    is_leaving: bool

    def note_frame(self, slot: "LinkSlot") -> None:
        """One more of its frames is to be pushed."""
        ...

    async def exchange(self, slot: "LinkSlot", options: StreamOptions) -> "LinkSlot":
        """See `Slot.exchange`."""
        ...

    def forget(self, slot: "LinkSlot") -> None:
        """Give the slot back, if it is still held."""
        ...


class LinkSlot:
    """See `Slot`."""

    def __init__(self, holder: Holder, stream: int, step_samples: int) -> None:
        self.stream = stream
        self.step_samples = step_samples
        self.frames: deque[SlotFrame] = deque()
        """Not pushed yet."""
        self.num_owed = 0
        """Frames that have no text yet."""
        self._sent_at: deque[float] = deque()
        """When each of those was handed over."""
        self._holder = holder
        self._told: asyncio.Queue[StreamText | SlotLostError] = asyncio.Queue()
        self._lost: SlotLostError | None = None

    @property
    def is_leaving(self) -> bool:
        return self._lost is not None or self._holder.is_leaving

    def send(self, frame: SlotFrame) -> None:
        if self._lost is not None:
            raise self._lost
        self.frames.append(frame)
        self.num_owed += 1
        self._sent_at.append(time.monotonic())
        self._holder.note_frame(self)

    async def receive(self) -> StreamText:
        told = await self._told.get()
        if isinstance(told, SlotLostError):
            self._told.put_nowait(told)  # for whoever else waits, or asks again
            raise told
        return told

    async def exchange(self, options: StreamOptions) -> "LinkSlot":
        return await self._holder.exchange(self, options)

    async def close(self) -> None:
        self._holder.forget(self)
        self.lose("it was given up")

    def tell(self, text: StreamText) -> float:
        """The text after the first of the frames that have none, of which there is one; returns
        how long it took, in seconds."""
        self.num_owed -= 1
        self._told.put_nowait(text)
        return time.monotonic() - self._sent_at.popleft()

    def lose(self, reason: str) -> None:
        if self._lost is None:
            self._lost = SlotLostError(reason)
            self._told.put_nowait(self._lost)
