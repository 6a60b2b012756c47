"""A replica's end of the link to one ingress: what the ingress pushes in, what it is told out.

Streams are numbered by the ingress. A link that is cut, or whose ingress is silent for `LEASE_S`,
gives all its slots back at once.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from serve_app.deployments.streaming.slots import Slots
from serve_app.deployments.streaming.step import Place
from serve_app.errors import AtCapacityError
from serve_app.models.protocols import ModelBrokenError, ModelInfo, StreamOptions, StreamText
from serve_app.pipelines.streaming.host import SlotFrame, SlotLostError
from serve_app.telemetry.tracing import Trace

LEASE_S = 10.0
"""An ingress that has pushed nothing for so long is gone."""
KEEP_ALIVE_S = 1.0
"""How often an ingress pushes when it has nothing to say."""
_MAX_UNREAD = 100_000
"""Texts that an ingress has not taken; one that lets more lie is taken for gone. Each is of a
frame that it sent and waits for, and sessions bound those."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A stream that wants a slot."""

    stream: int
    options: StreamOptions
    is_demand: bool
    """Whether it counts as one that found no slot, if it gets none: it is asked for only here."""
    instead_of: int | None = None
    """The stream that leaves it its slot, with nobody between."""
    trace: Trace | None = None
    """Of the request that it is; None: nobody traces it."""


@dataclass(frozen=True, slots=True)
class Push:
    """What an ingress says at one tick, of all its streams in one replica; in this order."""

    closed: tuple[int, ...] = ()
    opened: tuple[Opening, ...] = ()
    frames: tuple[tuple[int, SlotFrame], ...] = ()


@dataclass(frozen=True, slots=True)
class Pushed:
    """The answer to a push."""

    refused: frozenset[int]
    """Of the streams that were to be opened: those for which there was no slot."""
    num_free: int


@dataclass(frozen=True, slots=True)
class Told:
    """What a replica says: the texts since the last time; at first, who it is."""

    num_free: int
    texts: tuple[tuple[int, StreamText], ...] = ()
    lost: tuple[tuple[int, str], ...] = ()
    """Streams that have lost their slot, and why. Their texts come before."""
    info: ModelInfo | None = None
    """Of the first one only, as is the next."""
    step_samples: int = 0


class Attachment:
    """The streams of one ingress, from its `attach` until it is gone."""

    def __init__(self, slots: Slots, info: ModelInfo, *, lease_s: float = LEASE_S) -> None:
        self._slots = slots
        self._info = info
        self._lease_s = lease_s
        self._places: dict[int, Place] = {}
        self._texts: deque[tuple[int, StreamText]] = deque()
        self._lost: list[tuple[int, str]] = []
        self._news = asyncio.Event()
        self._is_closed = False
        self._lease = self._leased()

    def take(self, push: Push) -> Pushed:
        """Do what the ingress asks. Frames of streams that have no slot any more are passed over:
        their loss has been told, or will be.

        Raises:
            SlotLostError: the link has been cut.
        """
        if self._is_closed:
            raise SlotLostError("the link to this replica has been cut")
        self._lease.cancel()
        self._lease = self._leased()
        for stream in push.closed:
            self._give_back(stream)
        refused = frozenset(opening.stream for opening in push.opened if not self._open(opening))
        for stream, frame in push.frames:
            if (place := self._places.get(stream)) is not None:
                self._slots.push(place, frame)
        return Pushed(refused, self._slots.num_free)

    async def tell(self) -> AsyncGenerator[Told, None]:
        """What is to be told, as it comes, until the attachment is closed."""
        num_free = self._slots.num_free
        yield Told(num_free, info=self._info, step_samples=self._slots.step_samples)
        while not self._is_closed:
            self._news.clear()
            if self._texts or self._lost or num_free != self._slots.num_free:
                num_free = self._slots.num_free
                told = Told(num_free, tuple(self._texts), tuple(self._lost))
                self._texts.clear()
                self._lost.clear()
                yield told
            else:
                await self._news.wait()

    def notice(self) -> None:
        """Something has changed in the slots that others hold."""
        self._news.set()

    def close(self) -> None:
        """Give all slots back."""
        self._is_closed = True
        self._lease.cancel()
        self._news.set()
        for place in self._places.values():
            self._slots.release(place)
        self._places.clear()

    def _give_back(self, stream: int) -> None:
        if (place := self._places.pop(stream, None)) is not None:
            self._slots.release(place)

    def _open(self, opening: Opening) -> bool:
        def tell(told: StreamText | SlotLostError) -> None:
            self._note(opening.stream, told)

        if opening.instead_of is not None:
            self._give_back(opening.instead_of)
        try:
            place = self._slots.occupy(
                opening.options, tell, is_demand=opening.is_demand, trace=opening.trace
            )
        except (AtCapacityError, ModelBrokenError):
            return False
        self._places[opening.stream] = place
        return True

    def _note(self, stream: int, told: StreamText | SlotLostError) -> None:
        if isinstance(told, SlotLostError):
            self._places.pop(stream, None)
            self._lost.append((stream, str(told)))
        else:
            self._texts.append((stream, told))
        self._news.set()
        if len(self._texts) > _MAX_UNREAD:
            self.close()

    def _leased(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._lease_s, self.close)
