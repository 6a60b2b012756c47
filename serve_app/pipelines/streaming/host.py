"""A streaming model somewhere, as a session sees it: frames go into a slot, texts come out.

`deployments` has it behind Ray Serve; a test, and who needs no cluster, in the same process.
"""

from dataclasses import dataclass
from typing import Protocol

from serve_app.models.protocols import StreamOptions, StreamText


class SlotLostError(Exception):
    """The replica that held the slot is gone, or owes it an answer for too long: what was sent
    since the last end of a segment must be sent again to another."""


@dataclass(frozen=True, slots=True)
class SlotFrame:
    """The next stretch of a stream: see `StreamFrame`."""

    pcm: bytes
    is_last: bool = False


class Slot(Protocol):
    """One stream's place in one replica, from `open` to `close`."""

    step_samples: int

    def send(self, frame: SlotFrame) -> None:
        """Hand the next frame over; it leaves with the next tick. Who sends counts the frames
        that have no text yet, and bounds them.

        Raises:
            SlotLostError: the replica is gone.
        """
        ...

    async def receive(self) -> StreamText:
        """The text after the next of the frames sent: one for each, in their order.

        Raises:
            SlotLostError: the replica is gone, stalls, or the model failed in it.
        """
        ...

    @property
    def is_leaving(self) -> bool:
        """Whether the replica drains, or is gone: the stream should move when its segment ends."""
        ...

    async def exchange(self, options: StreamOptions) -> "Slot":
        """The same place with other options, between two segments: nobody else can take it
        meanwhile. This slot is over, whatever comes of it.

        Raises:
            SlotLostError: the place is lost.
        """
        ...

    async def close(self) -> None:
        """Give the slot up; never fails, may be called twice."""
        ...


class StreamHost(Protocol):
    """All replicas of one streaming model."""

    async def open(self, options: StreamOptions, *, is_demand: bool = True) -> Slot:
        """Take a slot of some replica. `is_demand`: whether to count as one that wants a slot, if
        none is free; who asks often does so once in a while.

        Raises:
            AtCapacityError: there are replicas, and none has a free slot; told at once.
            ModelUnavailableError: no replica came up within the model's `cold_start_s`.
        """
        ...
