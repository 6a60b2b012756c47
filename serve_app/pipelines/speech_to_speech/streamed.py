"""A conversation over a model for live streams, which translates while somebody still speaks.

What is certain is spoken sentence by sentence, so the first sound may come before the last word was
said. The session of the stream cuts the utterances, moves between replicas and says nothing twice.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from serve_app.audio.waveform import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from serve_app.errors import EngineError, SpeechError
from serve_app.pipelines.speech_to_speech.conversation import ConversationSettings
from serve_app.pipelines.speech_to_speech.events import (
    ConversationEvent,
    SpeechStarted,
    SpeechStopped,
)
from serve_app.pipelines.speech_to_speech.hearing import Arrivals, EchoGuard, Quiet
from serve_app.pipelines.speech_to_speech.speaking import Speaker, tell_translations
from serve_app.pipelines.speech_to_speech.translating import Translation
from serve_app.pipelines.speech_to_speech.turns import Turn, Turns
from serve_app.pipelines.streaming import events as heard
from serve_app.pipelines.streaming.session import StreamSession

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Utterance:
    """What is being said, as its translation grows."""

    start_s: float
    end_s: float
    """As far as it was heard."""
    turn: Turn | None = None
    final: str = ""
    """Of segments that have ended."""
    newest: Translation | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    has_stopped: bool = False

    def with_final(self, text: str) -> str:
        return " ".join(part for part in (self.final, text.strip()) if part)

    def grow(self, translation: Translation) -> None:
        """Each holds all of the text so far: of those that nobody took, the newest is enough."""
        self.newest = translation
        self.changed.set()

    async def translations(self) -> AsyncIterator[Translation]:
        is_final = False
        while not is_final:
            await self.changed.wait()
            self.changed.clear()
            assert self.newest is not None, "it has grown"
            is_final = self.newest.is_final
            yield self.newest


class StreamedConversation:
    """See `Conversation`: the same side, over a session in a slot of the model."""

    def __init__(
        self,
        session: StreamSession,
        pair: tuple[str, str],
        speaker: Speaker | None,
        settings: ConversationSettings,
    ) -> None:
        """`session` translates from the first language of `pair` into the second, and watches for
        voice activity; it is closed with the conversation."""
        self._session = session
        self._pair = pair
        self._speaker = speaker
        self._arrivals = Arrivals()
        self._echo = EchoGuard(is_on=settings.half_duplex)
        self._quiet = Quiet(settings.quiet_s, self.commit)
        self._turns = Turns(
            max_under_way=settings.max_under_way,
            patience_s=settings.patience_s,
            heard=self._echo.sent,
        )
        self._num_samples = 0
        self._number = -1
        self._under_way: _Utterance | None = None
        self._error: SpeechError | None = None
        self._following = asyncio.create_task(self._follow())

    @property
    def is_owing(self) -> bool:
        """Whether more will be told by itself."""
        return self._turns.is_owing or self._session.is_owing

    async def feed(self, pcm: bytes, arrived_at: float | None = None) -> None:
        """Take PCM16LE mono at 16 kHz; wait while too much of it has no text yet. `arrived_at`, by
        `time.monotonic`, where that was not just now.

        Raises:
            SpeechError: what ended the conversation.
        """
        self._quiet.stop()
        self._num_samples += len(pcm) // BYTES_PER_SAMPLE
        arrived_at = time.monotonic() if arrived_at is None else arrived_at
        self._arrivals.note(self._num_samples, arrived_at)
        await self._session.feed(self._echo.heard(pcm, arrived_at))
        self._quiet.begin()

    async def commit(self) -> None:
        """End the utterance here; raises as `feed` does."""
        await self._session.commit()

    async def finish(self) -> None:
        """Take no more: the rest is told, then the events end; raises as `feed` does."""
        self._quiet.stop()
        await self._session.finish()

    async def events(self) -> AsyncIterator[ConversationEvent]:
        """What there is to tell, for one reader.

        Raises:
            SpeechError: what ended the conversation.
        """
        async for event in self._turns.events():
            yield event
        if self._error is not None:
            raise self._error

    async def close(self) -> None:
        """Give everything up at once; may be called again."""
        await self._quiet.close()
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)
        await self._turns.close()
        await self._session.close()

    async def _follow(self) -> None:
        """Take what the session tells, to its end."""
        try:
            async for event in self._session.events():
                await self._take(event)
        except SpeechError as error:
            self._error = error
        except Exception:
            logger.exception("a conversation failed")
            self._error = EngineError("the translation", "internal error")
        await self._end_utterance(self._num_samples / SAMPLE_RATE_HZ)
        await self._turns.end()

    async def _take(self, event: heard.StreamEvent) -> None:
        match event:
            case heard.SpeechStarted(at_s):
                await self._begin_utterance(at_s)
            case heard.SpeechStopped(at_s):
                await self._stop(at_s)
            case heard.Partial():
                whole = event.confirmed + event.tentative
                self._grow(event.confirmed, whole, event.heard_s)
            case heard.Final():
                utterance = self._under_way
                if utterance is not None:
                    utterance.final = utterance.with_final(event.segment.text)
                    self._grow("", "", event.end_s)
                if event.ends_utterance:
                    await self._end_utterance(event.end_s)

    async def _begin_utterance(self, at_s: float) -> None:
        self._number += 1
        utterance = self._under_way = _Utterance(at_s, at_s)
        await self._turns.tell(SpeechStarted(self._number, at_s))
        work = self._work_of(utterance)
        utterance.turn = self._turns.begin(self._number, work, ended_at=None)
        await utterance.turn.begun.wait()

    def _work_of(self, utterance: _Utterance) -> Callable[[Turn], Awaitable[None]]:
        async def work(turn: Turn) -> None:
            await tell_translations(
                turn,
                utterance.translations(),
                self._speaker,
                span=lambda: (utterance.start_s, utterance.end_s),
            )

        return work

    def _grow(self, certain: str, text: str, heard_s: float) -> None:
        utterance = self._under_way
        if utterance is not None:
            utterance.end_s = heard_s
            whole, sure = utterance.with_final(text), utterance.with_final(certain)
            utterance.grow(Translation(*self._pair, whole, certain=sure, is_final=False))

    async def _stop(self, at_s: float) -> None:
        utterance = self._under_way
        if utterance is None or utterance.has_stopped:
            return
        utterance.has_stopped = True
        assert utterance.turn is not None, "it has begun"
        utterance.turn.ended_at = self._arrivals.of(round(at_s * SAMPLE_RATE_HZ))
        await self._turns.tell(SpeechStopped(self._number, at_s))

    async def _end_utterance(self, at_s: float) -> None:
        utterance = self._under_way
        if utterance is None:
            return
        await self._stop(at_s)
        self._under_way, utterance.end_s = None, max(utterance.end_s, at_s)
        # Where the session died, what was certain may have been spoken, and is not taken back.
        certain = utterance.newest.certain if utterance.newest is not None else ""
        utterance.grow(Translation(*self._pair, max(utterance.final, certain, key=len)))
