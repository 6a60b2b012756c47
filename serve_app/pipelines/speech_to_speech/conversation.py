"""A conversation, utterance by utterance: audio of any lengths in; what it means, told and spoken.

The same side of it for both kinds: `feed`, `commit`, `finish`, `events`, `close`. What waits is
bounded: who does not read the events holds up the work, and at last `feed`.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from serve_app.audio.voice import Detector, SileroDetector, VoiceActivity
from serve_app.audio.waveform import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from serve_app.errors import AudioTooLongError
from serve_app.pipelines.speech_to_speech.events import (
    ConversationEvent,
    SpeechStarted,
    SpeechStopped,
)
from serve_app.pipelines.speech_to_speech.hearing import (
    Arrivals,
    EchoGuard,
    Heard,
    Offset,
    Onset,
    Quiet,
    Spoken,
    Utterances,
)
from serve_app.pipelines.speech_to_speech.speaking import Speaker, tell_translations
from serve_app.pipelines.speech_to_speech.translating import Translation, Translator
from serve_app.pipelines.speech_to_speech.turns import Turn, Turns

_PIECE_BYTES = SAMPLE_RATE_HZ // 5 * BYTES_PER_SAMPLE
"""Taken without letting others run."""


@dataclass(frozen=True, slots=True)
class ConversationSettings:
    """How a conversation is listened to, and what it may cost."""

    voice_activity: VoiceActivity
    max_utterance_s: float = 30.0
    """What is longer is cut in a pause."""
    max_stream_s: float = 4 * 3600.0
    """Audio of the stream in all."""
    max_under_way: int = 4
    """Utterances that are not told yet; while there are so many, no more is heard."""
    patience_s: float = 30.0
    """For room at the model, or at a voice, each time that one is asked."""
    quiet_s: float | None = 0.9
    """Without any audio arriving, after which an utterance has ended; None: never."""
    half_duplex: bool = False
    """What arrives while the sound of the translation is presumed to be playing is silence."""
    new_detector: Callable[[], Detector] = SileroDetector
    """Makes what tells speech from all else."""


class Conversation:
    """Between `feed` and `events()`, for one task each."""

    def __init__(
        self, translator: Translator, speaker: Speaker | None, settings: ConversationSettings
    ) -> None:
        """Without `speaker` texts alone are told."""
        self._translator = translator
        self._speaker = speaker
        self._settings = settings
        self._utterances = Utterances(
            settings.voice_activity, settings.max_utterance_s, settings.new_detector
        )
        self._arrivals = Arrivals()
        self._echo = EchoGuard(is_on=settings.half_duplex)
        self._quiet = Quiet(settings.quiet_s, self.commit)
        self._turns = Turns(
            max_under_way=settings.max_under_way,
            patience_s=settings.patience_s,
            heard=self._echo.sent,
        )
        self._feeding = asyncio.Lock()
        self._untaken: deque[Heard] = deque()
        self._number = -1
        self._ended_at: float | None = None
        self._is_over = False

    @property
    def is_owing(self) -> bool:
        """Whether more will be told by itself."""
        return self._turns.is_owing

    def configure(self, translator: Translator, speaker: Speaker | None) -> None:
        """Translate otherwise, from the next utterance to end on."""
        self._translator, self._speaker = translator, speaker

    async def feed(self, pcm: bytes, arrived_at: float | None = None) -> None:
        """Take PCM16LE mono at 16 kHz; wait while too many utterances are under way. `arrived_at`,
        by `time.monotonic`, where that was not just now.

        Raises:
            AudioTooLongError: past `max_stream_s`; nothing of `pcm` was taken.
        """
        self._quiet.stop()
        async with self._feeding:
            if self._is_over:
                return
            self._check_length(len(pcm) // BYTES_PER_SAMPLE)
            arrived_at = time.monotonic() if arrived_at is None else arrived_at
            num_samples = self._utterances.num_samples + len(pcm) // BYTES_PER_SAMPLE
            self._arrivals.note(num_samples, arrived_at)
            pcm = self._echo.heard(pcm, arrived_at)
            for start in range(0, len(pcm), _PIECE_BYTES):
                self._untaken.extend(self._utterances.push(pcm[start : start + _PIECE_BYTES]))
                await self._take()
                await asyncio.sleep(0)  # others run: voice activity takes 1.4 % of what it hears
            self._quiet.begin()

    async def commit(self) -> None:
        """End the utterance here; nothing, where nobody speaks."""
        async with self._feeding:
            await self._end_utterance()

    async def finish(self) -> None:
        """Take no more: the rest is told, then the events end."""
        self._quiet.stop()
        async with self._feeding:
            if not self._is_over:
                await self._end_utterance()
                self._is_over = True
                await self._turns.end()

    def events(self) -> AsyncIterator[ConversationEvent]:
        """What there is to tell, for one reader."""
        return self._turns.events()

    async def close(self) -> None:
        """Give everything up at once; may be called again."""
        self._is_over = True
        await self._quiet.close()
        await self._turns.close()
        self._utterances.close()

    def _check_length(self, num_samples: int) -> None:
        duration_s = (self._utterances.num_samples + num_samples) / SAMPLE_RATE_HZ
        if duration_s > self._settings.max_stream_s:
            raise AudioTooLongError(duration_s, self._settings.max_stream_s)

    async def _end_utterance(self) -> None:
        if not self._is_over:
            self._untaken.extend(self._utterances.end())
            await self._take()

    async def _take(self) -> None:
        """What was heard; who is cancelled meanwhile leaves the rest to who comes next."""
        while self._untaken:
            turn = None
            match self._untaken[0]:
                case Onset(at_sample):
                    at_s = at_sample / SAMPLE_RATE_HZ
                    await self._turns.tell(SpeechStarted(self._number + 1, at_s))
                    self._number += 1
                case Offset(at_sample):
                    at_s = at_sample / SAMPLE_RATE_HZ
                    await self._turns.tell(SpeechStopped(self._number, at_s))
                    self._ended_at = self._arrivals.of(at_sample)
                case Spoken() as spoken:
                    turn = self._begin(spoken)
            self._untaken.popleft()
            if turn is not None:
                await turn.begun.wait()

    def _begin(self, spoken: Spoken) -> Turn:
        translator, speaker = self._translator, self._speaker
        span = spoken.start_sample / SAMPLE_RATE_HZ, spoken.end_sample / SAMPLE_RATE_HZ

        async def translations(turn: Turn) -> AsyncIterator[Translation]:
            yield await turn.persist(lambda: translator.translate(spoken))

        async def work(turn: Turn) -> None:
            await tell_translations(turn, translations(turn), speaker, span=lambda: span)

        return self._turns.begin(self._number, work, ended_at=self._ended_at)
