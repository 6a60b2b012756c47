"""A slot that is not lost: frames in, one text for each out, whatever becomes of the replicas.

The frames since the last segment was cut are kept as they were sent. When the slot is lost they go
to another one, as they are, and what comes back for the second time is dropped. A replica that
leaves does the same at the next end of a segment; so do options that change, in the same place.
"""

import asyncio
import logging
import random
from dataclasses import dataclass

from serve_app.audio.waveform import SAMPLE_RATE_HZ
from serve_app.errors import CapacityError, EngineError, ModelUnavailableError
from serve_app.models.protocols import StreamOptions, StreamText
from serve_app.pipelines.streaming.host import Slot, SlotFrame, SlotLostError, StreamHost

logger = logging.getLogger(__name__)

_MAX_DEATHS = 5
"""Of replicas, one after another, that owed the text of the same frame: it is deadly."""
_MAX_SEGMENT_S = 120.0
"""Of audio that has its texts; twice the longest that a model may be configured to."""
_MOVE_TIMEOUT_S = 2.0
"""To find another slot while the old one still works."""
_NEXT_MOVE_S = 5.0
"""After a move for which no slot was found."""
_CLOSE_TIMEOUT_S = 2.0
_FIRST_PAUSE_S = 0.02
_MAX_PAUSE_S = 1.0
"""Between attempts to find a slot for a stream that has lost its own."""
_MODEL = "the streaming model"


@dataclass(frozen=True, slots=True)
class Kept:
    """A frame as it was sent, and what it belongs to."""

    frame: SlotFrame
    start_sample: int
    """Counted from the start of the session."""
    end_sample: int
    options: StreamOptions
    """Hold for its segment where it is the first of one."""
    utterance: int


class SteadySlot:
    """The place of one stream among the replicas of a model; one task receives."""

    def __init__(
        self, host: StreamHost, slot: Slot, options: StreamOptions, *, patience_s: float
    ) -> None:
        self._host = host
        self._slot: Slot | None = slot
        self._slot_options = options
        self._patience_s = patience_s
        self.step_samples = slot.step_samples
        self._kept: list[Kept] = []
        self._num_dropped = 0
        """Frames of segments that have ended."""
        self._num_sent = 0
        """Of those kept, into the slot of now."""
        self._num_answered = 0
        """Of those kept, by the slot of now."""
        self._num_heard = 0
        """Of those kept, by any slot."""
        self._num_carried = 0
        """Of those kept: the segment before heard them, and left them to this one."""
        self._is_broken = False
        self._deaths: tuple[int, int] = (-1, 0)
        self._lost_at: float | None = None
        self._counts_from = 0.0
        """A refusal counts as demand again."""
        self._stays_until = 0.0
        """No slot was found to move to: the next attempt is made then."""
        self._closing: list[Slot] = []
        self.num_moves = 0
        """Slots taken after the first one."""

    @property
    def num_waiting(self) -> int:
        """Frames that have no text yet."""
        return len(self._kept) - self._num_heard

    @property
    def num_kept(self) -> int:
        """Frames of segments that have not ended."""
        return len(self._kept)

    def send(self, kept: Kept) -> None:
        """Take the next frame; who sends bounds `num_waiting`."""
        self._kept.append(kept)
        if not self._should_move:
            self._forward()

    async def receive(self) -> tuple[Kept, StreamText]:
        """The text behind the next frame; only while `num_waiting`.

        Raises:
            CapacityError: the slot was lost, and none was free for `patience_s`.
            EngineError: frame or model take down whatever replica they meet.
        """
        while True:
            await self.settle()
            self._forward()
            text = await self._answer()
            if text is None:
                await self._lose()
                continue
            kept = self._kept[self._num_answered]
            self._num_answered += 1
            if text.ended is not None:
                self._end_segment(text.num_carried)
            elif kept.frame.is_last:
                raise EngineError(_MODEL, "it did not end a segment where it was asked to")
            elif self._num_answered <= self._num_heard:
                continue
            else:
                self._num_heard = self._num_answered
                self._check_length(kept)
            self._lost_at = None
            return kept, text

    async def settle(self) -> None:
        """Be in a slot, and between segments in one that stays and has the right options."""
        if self._slot is None:
            await self._replace()
        elif self._should_move:
            await self._move()

    async def close(self) -> None:
        """Give the slot up; may be called again, and finishes what was interrupted."""
        if self._slot is not None:
            self._closing.append(self._slot)
            self._slot = None
        await self._close_old()

    async def _close_old(self) -> None:
        while self._closing:
            await _close(self._closing[-1])
            self._closing.pop()

    @property
    def _options(self) -> StreamOptions:
        """Of the segment: those of the first frame that is its alone."""
        own = self._kept[self._num_carried :]
        return own[0].options if own else self._slot_options

    @property
    def _should_move(self) -> bool:
        if self._slot is None or self._num_answered > self._num_carried:
            return False
        if self._options != self._slot_options:
            return True
        return self._slot.is_leaving and _now() >= self._stays_until

    def _forward(self) -> None:
        if self._slot is None or self._is_broken:
            return
        try:
            while self._num_sent < len(self._kept):
                self._slot.send(self._kept[self._num_sent].frame)
                self._num_sent += 1
        except SlotLostError:
            self._is_broken = True

    async def _answer(self) -> StreamText | None:
        if self._slot is None or self._is_broken:
            return None
        try:
            return await self._slot.receive()
        except SlotLostError as error:
            logger.info("a stream lost its slot: %s", error)
            return None

    def _end_segment(self, num_carried: int) -> None:
        num_over = self._num_answered - num_carried
        if num_over <= 0:
            raise EngineError(_MODEL, "it ends segments in which it has heard nothing")
        del self._kept[:num_over]
        self._num_dropped += num_over
        self._num_sent -= num_over
        self._num_answered = self._num_heard = self._num_carried = num_carried

    def _check_length(self, kept: Kept) -> None:
        if kept.end_sample - self._kept[0].start_sample > _MAX_SEGMENT_S * SAMPLE_RATE_HZ:
            raise EngineError(_MODEL, "it does not end its segments")

    async def _lose(self) -> None:
        """Let go of a slot that is lost; count it, if it was lost over a frame."""
        await self.close()
        now = _now()
        self._lost_at = now if self._lost_at is None else self._lost_at
        if self._num_sent > self._num_answered:
            awaited = self._num_dropped + self._num_answered
            died_at, num_deaths = self._deaths
            num_deaths = num_deaths + 1 if awaited == died_at else 1
            self._deaths = (awaited, num_deaths)
            if num_deaths >= _MAX_DEATHS:
                raise EngineError(_MODEL, "replica after replica failed on the same audio")
        if now - self._lost_at > self._patience_s:
            raise EngineError(_MODEL, "replica after replica was lost")

    async def _replace(self, first_pause_s: float = _FIRST_PAUSE_S) -> None:
        """Find a slot for a stream that has none, with patience."""
        deadline = (self._lost_at or _now()) + self._patience_s
        pause_s = first_pause_s * max(1, self._deaths[1])
        while True:
            # apart from others that lost theirs to the same frame, so that only one is blamed
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))
            try:
                options = self._options  # they may be others when the slot is there
                async with asyncio.timeout_at(deadline):
                    return self._take(await self._open(options), options)
            except CapacityError as error:
                if _now() + pause_s > deadline:
                    raise
                logger.info("no slot yet for a stream that lost its own: %s", error)
            except SlotLostError as error:
                logger.info("a slot was lost as it was taken: %s", error)
            except TimeoutError:
                raise ModelUnavailableError(_MODEL, _MAX_PAUSE_S) from None
            pause_s = min(max(2 * pause_s, _FIRST_PAUSE_S), _MAX_PAUSE_S)

    async def _open(self, options: StreamOptions) -> Slot:
        """Ask for a slot; as demand no more often than those come who are refused."""
        is_demand = _now() >= self._counts_from
        try:
            return await self._host.open(options, is_demand=is_demand)
        except CapacityError as error:
            if is_demand:
                self._counts_from = _now() + error.retry_after_s
            raise

    async def _move(self) -> None:
        """Go elsewhere between two segments; stay if that cannot be, but not with old options."""
        old, options = self._slot, self._options
        if old is not None and not old.is_leaving:
            return await self._exchange(old, options)
        try:
            async with asyncio.timeout(_MOVE_TIMEOUT_S):
                slot = await self._open(options)
        except (CapacityError, SlotLostError, TimeoutError):
            self._stays_until = _now() + _NEXT_MOVE_S
            if options != self._slot_options:
                await self.close()
                self._lost_at = _now()
                await self._replace(0.0)
            return
        if old is not None:
            self._closing.append(old)
        self._take(slot, options)
        await self._close_old()

    async def _exchange(self, old: Slot, options: StreamOptions) -> None:
        """Begin with other options in the same place; in another one if it is lost over that."""
        try:
            async with asyncio.timeout(_MOVE_TIMEOUT_S):
                slot = await old.exchange(options)
        except (SlotLostError, TimeoutError):
            await self.close()
            self._lost_at = _now()
            return await self._replace(0.0)
        self._enter(slot, options)

    def _take(self, slot: Slot, options: StreamOptions) -> None:
        self.num_moves += 1
        self._enter(slot, options)

    def _enter(self, slot: Slot, options: StreamOptions) -> None:
        self._slot, self._slot_options = slot, options
        self._num_sent = self._num_answered = 0
        self._is_broken = False
        if slot.step_samples != self.step_samples:
            raise EngineError(_MODEL, "its replicas take steps of different lengths")


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _close(slot: Slot) -> None:
    try:
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            await slot.close()
    except TimeoutError:
        logger.warning("a slot did not close in time")
