"""Utterances under way, several at once, in; what is told of them, strictly in their order, out.

All of it is bounded: so many utterances, so much of each that is not told yet, so many events that
nobody has read. Who reads too slowly holds up the work, and at last who hears.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from serve_app.errors import (
    CapacityError,
    DeadlineExceededError,
    EngineError,
    KeyLimitError,
    SpeechError,
)
from serve_app.models.protocols import Speech
from serve_app.pipelines.speech_to_speech.events import (
    ConversationEvent,
    Done,
    Failed,
    Finished,
    Outcome,
    Sound,
    Translated,
)
from serve_app.telemetry import tracing

logger = logging.getLogger(__name__)

T = TypeVar("T")

_MAX_UNREAD = 16
"""Events that the wire has not read."""
_MAX_UNTOLD = 4
"""Events of an utterance that waits for those before it: a text, and sentences of some seconds."""
_FIRST_PAUSE_S, _MAX_PAUSE_S = 0.1, 2.0


class Turn:
    """One utterance, from its first sample to its last sound."""

    def __init__(self, number: int, ended_at: float | None, patience_s: float) -> None:
        self.number = number
        self.ended_at = ended_at
        """When the end of its speech had arrived, by `time.monotonic`; None while it goes on."""
        self.begun = asyncio.Event()
        """Whether there was room for it."""
        self._patience_s = patience_s
        self._untold: asyncio.Queue[ConversationEvent | None] = asyncio.Queue(_MAX_UNTOLD)

    async def tell(self, event: ConversationEvent | None) -> None:
        """Behind what was told of it before; None: that was all."""
        await self._untold.put(event)

    async def events(self) -> AsyncIterator[ConversationEvent]:
        while (event := await self._untold.get()) is not None:
            yield event

    async def persist(self, call: Callable[[], Awaitable[T]], *, is_bounded: bool = False) -> T:
        """Try until somebody has room for it: what was heard is not given up for a busy moment.
        With `is_bounded` patience bounds each attempt too: of a call without a limit of its own.

        Raises:
            SpeechError: what `call` raises, at once; a want of capacity when patience ends.
            DeadlineExceededError: no answer came meanwhile.
        """
        pause_s, give_up_at = _FIRST_PAUSE_S, time.monotonic() + self._patience_s
        while True:
            left_s = max(give_up_at - time.monotonic(), 0.0) if is_bounded else None
            try:
                async with asyncio.timeout(left_s) as limit:
                    return await call()
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise DeadlineExceededError(self._patience_s) from error
            except KeyLimitError:
                raise
            except CapacityError:
                if time.monotonic() + pause_s > give_up_at:
                    raise
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _MAX_PAUSE_S)


@dataclass(slots=True)
class _Account:
    """What was told of one utterance so far."""

    turn: Turn
    text_s: float | None = None
    sounded_at: float | None = None
    outcome: Outcome = field(default="empty")

    def stamped(self, event: ConversationEvent) -> ConversationEvent:
        """With when it is told, and the account brought up to date."""
        ended_at = self.turn.ended_at
        since_end_s = None if ended_at is None else time.monotonic() - ended_at
        match event:
            case Translated():
                if event.is_final:
                    self.text_s = since_end_s
                    self.outcome = "written" if event.text else self.outcome
                return replace(event, latency_s=since_end_s)
            case Sound():
                if event.part == 0:
                    self.sounded_at = time.monotonic()
                self.outcome = "spoken"
                return replace(event, latency_s=since_end_s)
            case Failed():
                self.outcome = "failed"
        return event

    def done(self) -> Done:
        ended_at, sound_s = self.turn.ended_at, None
        if self.sounded_at is not None and ended_at is not None:
            sound_s = self.sounded_at - ended_at
        return Done(self.turn.number, self.outcome, self.text_s, sound_s)


class Turns:
    """The utterances of one conversation; `heard` is called for each sound as it is told."""

    def __init__(
        self,
        *,
        max_under_way: int,
        patience_s: float,
        heard: Callable[[Speech], None] = lambda speech: None,
    ) -> None:
        self._patience_s = patience_s
        self._heard = heard
        self._room = asyncio.Semaphore(max_under_way)
        self._order: asyncio.Queue[Turn | None] = asyncio.Queue()
        self._unread: asyncio.Queue[ConversationEvent | None] = asyncio.Queue(_MAX_UNREAD)
        self._working: set[asyncio.Task[None]] = set()
        self._num_under_way = 0
        self._telling = asyncio.create_task(self._tell_all())

    @property
    def is_owing(self) -> bool:
        """Whether more will be told by itself."""
        return bool(self._num_under_way or self._unread.qsize())

    def begin(
        self, number: int, work: Callable[[Turn], Awaitable[None]], *, ended_at: float | None
    ) -> Turn:
        """Take the next utterance, and begin with it once there is room (`Turn.begun`): it will be
        told, also where who waits for that gives up."""
        turn = Turn(number, ended_at, self._patience_s)
        self._num_under_way += 1
        self._order.put_nowait(turn)
        working = asyncio.create_task(self._work(turn, work))
        self._working.add(working)
        working.add_done_callback(self._working.discard)
        return turn

    async def tell(self, event: ConversationEvent) -> None:
        """At once, beside the utterances."""
        await self._unread.put(event)

    async def end(self) -> None:
        """Nothing begins any more: when all is told, the events end."""
        self._order.put_nowait(None)

    async def events(self) -> AsyncIterator[ConversationEvent]:
        """For one reader."""
        while (event := await self._unread.get()) is not None:
            yield event

    async def close(self) -> None:
        """Give up what is under way; may be called again."""
        tasks = [self._telling, *self._working]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, turn: Turn, work: Callable[[Turn], Awaitable[None]]) -> None:
        await self._room.acquire()
        turn.begun.set()
        try:
            with tracing.span("utterance", {"chorus.utterance": turn.number}):
                await work(turn)
        except SpeechError as error:
            await turn.tell(Failed(turn.number, error))
        except Exception:
            # The edge of one utterance: the log has why, and the conversation goes on.
            logger.exception("an utterance failed")
            await turn.tell(Failed(turn.number, EngineError("the translation", "internal error")))
        await turn.tell(None)

    async def _tell_all(self) -> None:
        while (turn := await self._order.get()) is not None:
            account = _Account(turn)
            async for event in turn.events():
                stamped = account.stamped(event)
                if isinstance(stamped, Sound):
                    self._heard(stamped.speech)
                await self._unread.put(stamped)
            await self._unread.put(account.done())
            self._num_under_way -= 1
            self._room.release()
        await self._unread.put(Finished())
        await self._unread.put(None)
