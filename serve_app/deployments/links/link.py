"""An ingress' end of the link to one replica: frames of all its streams in, their texts out.

What the streams have to say leaves in one push per tick, one under way at a time, so that it stays
in order and costs the same however many streams there are. What the replica has to say comes by
the `attach` call, which stands as long as the link and anchors it: Serve counts it as under way.
"""

import asyncio
import itertools
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Protocol

from serve_app.deployments.links.slot import LinkSlot
from serve_app.deployments.streaming.attachment import (
    KEEP_ALIVE_S,
    Opening,
    Push,
    Pushed,
    Told,
)
from serve_app.deployments.streaming.slots import RETRY_AFTER_S
from serve_app.errors import AtCapacityError
from serve_app.models.protocols import ModelInfo, StreamOptions
from serve_app.pipelines.streaming.host import SlotFrame, SlotLostError
from serve_app.telemetry import tracing

logger = logging.getLogger(__name__)

_MAX_PUSH_BYTES = 1024 * 1024
"""Of frames in one push: a replay of many streams takes several, and Ray's own limit is 4 MiB."""
_CHECKS_PER_STALL = 4
_OPEN_TIMEOUT_S = 2.0
"""To say whether there is a slot."""
_LATE_AFTER_S = 0.5
_MEET_WITHIN_S = 2.0


class Replica(Protocol):
    """One replica of `Streaming`, wherever it is. All calls raise `SlotLostError` if it is gone."""

    def attach(self, link: str) -> AsyncGenerator[Told, None]: ...

    async def push(self, link: str, push: Push) -> Pushed: ...


@dataclass(frozen=True, slots=True)
class LinkReport:
    """What is told of slots, for the metrics."""

    num_slots: int
    reason: str
    """`gone`, `stalled`, `failed`: they were lost; `leaving`: they were given up in time."""


@dataclass(frozen=True, slots=True)
class LinkSettings:
    tick_s: float
    stall_s: float
    """A replica that owes texts and gives none for so long is given up."""
    report: Callable[[LinkReport], None]
    changed: Callable[[], None]
    """Called when the link is attached, or over."""
    lagged: Callable[[float], None] = lambda lag_s: None
    """Told how long each text that says something took after its frame."""


class Link:
    """From `run` until the replica is gone, or drains and has no more streams of ours."""

    def __init__(self, replica: Replica, settings: LinkSettings) -> None:
        self._name = uuid.uuid4().hex
        self._replica = replica
        self._settings = settings
        self._numbers = itertools.count()
        self._slots: dict[int, LinkSlot] = {}
        self._sending: dict[int, LinkSlot] = {}
        """Those that have frames to push, in turn."""
        self._opening: dict[int, tuple[Opening, asyncio.Future[bool]]] = {}
        self._closed: list[int] = []
        self._news = asyncio.Event()
        self._attached = asyncio.Event()
        self._num_owed = 0
        self._progress_at = 0.0
        self._push_began_at: float | None = None
        self._began_at = time.monotonic()
        self.is_leaving = False
        self.num_free = 0
        self.info: ModelInfo | None = None
        self._step_samples = 0
        self._is_over = False

    @property
    def takes_streams(self) -> bool:
        return self._attached.is_set() and not self.is_leaving and not self._is_over

    @property
    def is_meeting(self) -> bool:
        """Whether the replica has only just been called, and may have slots."""
        is_new = time.monotonic() - self._began_at < _MEET_WITHIN_S
        return is_new and not self._attached.is_set() and not self._is_over

    @property
    def is_late(self) -> bool:
        """Whether the replica takes long to answer: who can should go elsewhere."""
        began_at = self._push_began_at
        return began_at is not None and time.monotonic() - began_at > _LATE_AFTER_S

    async def run(self) -> None:
        """Returns when the link is over; all that were left in it have lost their slots."""
        tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._push())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            self._end(*(each for each in results if isinstance(each, Exception)))

    def leave(self) -> None:
        """The replica drains: nothing new goes there, and what is there should move."""
        self.is_leaving = True
        self._news.set()

    async def open(
        self, options: StreamOptions, *, is_demand: bool, instead_of: int | None = None
    ) -> LinkSlot:
        """Take a slot; `instead_of`: that of a stream of this link.

        Raises:
            AtCapacityError: the replica is full.
            SlotLostError: it is gone, goes, or does not answer.
        """
        if not self.takes_streams:
            raise SlotLostError("the replica takes no streams")
        slot = LinkSlot(self, next(self._numbers), self._step_samples)
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._slots[slot.stream] = slot
        opening = Opening(slot.stream, options, is_demand, instead_of, tracing.here())
        self._opening[slot.stream] = opening, answer
        self.num_free -= 1
        self._news.set()
        try:
            async with asyncio.timeout(_OPEN_TIMEOUT_S):
                is_open = await answer
        except TimeoutError as error:
            await slot.close()
            raise SlotLostError("the replica does not answer") from error
        except asyncio.CancelledError:
            await slot.close()
            raise
        if not is_open:
            self._slots.pop(slot.stream, None)
            raise AtCapacityError("all slots of this replica are taken", RETRY_AFTER_S)
        return slot

    async def exchange(self, slot: LinkSlot, options: StreamOptions) -> LinkSlot:
        """See `Holder`."""
        if self._drop(slot.stream) is None:
            raise SlotLostError("the slot is lost")
        self.num_free += 1
        slot.lose("it was exchanged")
        try:
            return await self.open(options, is_demand=False, instead_of=slot.stream)
        except BaseException as error:
            self._closed.append(slot.stream)
            self._news.set()
            if isinstance(error, AtCapacityError):
                raise SlotLostError(str(error)) from error
            raise

    def note_frame(self, slot: LinkSlot) -> None:
        """See `Holder`."""
        if not self._num_owed:
            self._progress_at = time.monotonic()
        self._num_owed += 1
        self._sending.setdefault(slot.stream, slot)
        self._news.set()

    def forget(self, slot: LinkSlot) -> None:
        """See `Holder`."""
        if not self._drop(slot.stream):
            return
        self._closed.append(slot.stream)
        self.num_free += 1
        if self.is_leaving:
            self._settings.report(LinkReport(1, "leaving"))
        self._news.set()

    def _drop(self, stream: int) -> LinkSlot | None:
        slot = self._slots.pop(stream, None)
        self._sending.pop(stream, None)
        if slot is not None:
            self._num_owed -= slot.num_owed
        return slot

    async def _listen(self) -> None:
        async with aclosing(self._replica.attach(self._name)) as news:
            async with asyncio.timeout(self._settings.stall_s):
                first = await anext(news)
            self.info, self._step_samples = first.info, first.step_samples
            self.num_free = first.num_free
            self._attached.set()
            self._settings.changed()
            async for told in news:
                self._hear(told)

    def _hear(self, told: Told) -> None:
        self.num_free = told.num_free
        for stream, text in told.texts:
            slot = self._slots.get(stream)
            if slot is None or not slot.num_owed:  # one too many would be taken for the next one's
                continue
            self._num_owed -= 1
            self._progress_at = time.monotonic()
            lag_s = slot.tell(text)
            if text.confirmed or text.tentative:
                self._settings.lagged(lag_s)
        for stream, reason in told.lost:
            slot = self._drop(stream)
            if slot is not None:
                slot.lose(reason)
                self._settings.report(LinkReport(1, "failed"))

    async def _push(self) -> None:
        stall_s, tick_s = self._settings.stall_s, self._settings.tick_s
        beat_s = min(KEEP_ALIVE_S, stall_s / _CHECKS_PER_STALL)
        await self._attached.wait()
        while not (self.is_leaving and not self._slots):
            with suppress(TimeoutError):
                async with asyncio.timeout(beat_s):
                    await self._news.wait()
            if self._num_owed and time.monotonic() - self._progress_at > stall_s:
                raise TimeoutError(f"the replica owes texts, and gave none for {stall_s:g} s")
            self._news.clear()
            push = self._take()
            began_at = self._push_began_at = time.monotonic()
            async with asyncio.timeout(stall_s):
                pushed = await self._replica.push(self._name, push)
            self._push_began_at = None
            self._answer(push, pushed)
            await asyncio.sleep(max(0.0, began_at + tick_s - time.monotonic()))

    def _take(self) -> Push:
        """What is to be said now: a frame of each stream in turn, while there is room."""
        closed, self._closed = tuple(self._closed), []
        for stream in [each for each, (_, answer) in self._opening.items() if answer.done()]:
            del self._opening[stream]
        opened = tuple(opening for opening, _ in self._opening.values())
        frames: list[tuple[int, SlotFrame]] = []
        num_bytes = 0
        while self._sending and num_bytes < _MAX_PUSH_BYTES:
            stream = next(iter(self._sending))
            slot = self._sending.pop(stream)
            frame = slot.frames.popleft()
            frames.append((stream, frame))
            num_bytes += len(frame.pcm)
            if slot.frames:
                self._sending[stream] = slot
        if self._sending:
            self._news.set()
        return Push(closed, opened, tuple(frames))

    def _answer(self, push: Push, pushed: Pushed) -> None:
        self.num_free = pushed.num_free
        for opening in push.opened:
            _, answer = self._opening.pop(opening.stream)
            if not answer.done():
                answer.set_result(opening.stream not in pushed.refused)

    def _end(self, *errors: Exception) -> None:
        self._is_over = True
        why = [str(error) or "it does not answer" for error in errors]
        reason = f"the replica is lost: {why[0]}" if why else "the replica is gone"
        if self._slots:
            logger.warning("%d streams move: %s", len(self._slots), reason)
            is_stalled = any(isinstance(error, TimeoutError) for error in errors)
            label = "stalled" if is_stalled else "gone"
            self._settings.report(LinkReport(len(self._slots), label))
        for _, answer in self._opening.values():
            if not answer.done():
                answer.set_exception(SlotLostError(reason))
        self._opening.clear()
        for slot in self._slots.values():
            slot.lose(reason)
        self._slots.clear()
        self._sending.clear()
        self._num_owed = 0
        self._settings.changed()
