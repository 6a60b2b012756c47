"""A conversation behind a socket: opened when its client has said what it wants, and counted."""

from collections.abc import AsyncIterator, Callable

from serve_app.audio.voice import DETECTORS
from serve_app.config import ServerConfig, StreamsConfig
from serve_app.errors import UnsupportedOptionError
from serve_app.ingress.backend import Backend
from serve_app.ingress.sockets.stream import Stream
from serve_app.ingress.sockets.translation.asked import AskedConversation
from serve_app.models.protocols import StreamOptions
from serve_app.pipelines.speech_to_speech.conversation import (
    Conversation,
    ConversationSettings,
)
from serve_app.pipelines.speech_to_speech.events import ConversationEvent, Done, Outcome
from serve_app.pipelines.speech_to_speech.speaking import ChosenVoice, Speaker, VoicedSpeaker
from serve_app.pipelines.speech_to_speech.streamed import StreamedConversation
from serve_app.pipelines.speech_to_speech.translating import RecordingTranslator
from serve_app.pipelines.streaming.session import SessionSettings, StreamSession
from serve_app.pipelines.transcription import TranscriptionRequest

_FIRST_WITHIN_S = 10.0
"""What is wanted must be said; until then a client has a place, and nothing to keep it for."""


class SpokenStream(
    Stream[AskedConversation, Conversation | StreamedConversation, ConversationEvent]
):
    """One conversation. See `Stream`."""

    def __init__(
        self,
        backend: Backend,
        config: ServerConfig,
        on_audio: Callable[[float], None],
        on_done: Callable[[Outcome, float | None, float | None], None],
    ) -> None:
        """`on_done` is told of each utterance that is over: see `Done`."""
        super().__init__(self._begun_with, on_audio)
        self._backend = backend
        self._config = config
        self._on_done = on_done
        own = config.translation
        by_turns = {"idle_timeout_s": own.idle_timeout_s, "min_pace": own.min_pace}
        self._by_turns = config.streams.model_copy(update=by_turns)
        first = {"idle_timeout_s": min(_FIRST_WITHIN_S, own.idle_timeout_s)}
        self._unasked = config.streams.model_copy(update=first)

    async def change(self, asked: AskedConversation) -> None:
        """Translate otherwise, from the next utterance on; the first time, begin."""
        if self.asked is None:
            self.open(asked)
            return
        if asked.model != self.asked.model:
            raise UnsupportedOptionError("model", "cannot change in the middle")
        self.asked = asked
        session = await self._session()
        assert isinstance(session, Conversation), "who asks for changes has a model for recordings"
        session.configure(self._translator(asked), self._speaker(asked))

    async def events(self) -> AsyncIterator[ConversationEvent]:
        async for event in super().events():
            if isinstance(event, Done):
                self._on_done(event.outcome, event.text_s, event.sound_s)
            yield event

    @property
    def limits(self) -> StreamsConfig:
        """Who speaks by turns may be silent for long, but not with a slot, nor before it begins."""
        if self.asked is None:
            return self._unasked
        return self._by_turns if self.asked.model.streaming is None else self._config.streams

    @property
    def patience_s(self) -> float:
        own = self._config.translation.patience_s
        streaming = None if self.asked is None else self.asked.model.streaming
        return own if streaming is None else max(own, streaming.cold_start_s)

    async def _hand_on(self, session: Conversation | StreamedConversation, pcm: bytes) -> None:
        await session.feed(pcm, self.arrived_at)

    async def _begun_with(self, asked: AskedConversation) -> Conversation | StreamedConversation:
        settings = self._settings(asked)
        if asked.model.streaming is None:
            return Conversation(self._translator(asked), self._speaker(asked), settings)
        pair = (asked.direction.source or "", asked.direction.target)
        session = await self._streamed(asked, asked.model.streaming.cold_start_s)
        return StreamedConversation(session, pair, self._speaker(asked), settings)

    def _settings(self, asked: AskedConversation) -> ConversationSettings:
        own = self._config.translation
        return ConversationSettings(
            voice_activity=asked.voice_activity,
            max_utterance_s=own.max_utterance_s,
            max_stream_s=self._config.streams.max_stream_s,
            max_under_way=own.max_under_way,
            patience_s=own.patience_s,
            quiet_s=asked.quiet_s,
            half_duplex=asked.half_duplex,
            new_detector=DETECTORS[self._config.streams.voice_detector],
        )

    async def _streamed(self, asked: AskedConversation, patience_s: float) -> StreamSession:
        streams = self._config.streams
        options = StreamOptions(
            asked.direction.source, asked.direction.target, blank_s=streams.blank_s
        )
        settings = SessionSettings(
            max_ahead_s=streams.max_ahead_s,
            max_stream_s=streams.max_stream_s,
            voice_activity=asked.voice_activity,
            patience_s=patience_s,
            new_detector=DETECTORS[streams.voice_detector],
        )
        host = self._backend.stream_host(asked.model.name)
        return await StreamSession.open(host, options, settings)

    def _translator(self, asked: AskedConversation) -> RecordingTranslator:
        model, timeout_s = asked.model, self._config.limits.request_timeout_s
        direction = asked.direction
        source = None
        if asked.source_text:
            options = direction.source_options
            source = TranscriptionRequest(model.name, options, timeout_s=timeout_s)
        request = TranscriptionRequest(model.name, direction.options, timeout_s=timeout_s)
        return RecordingTranslator(self._backend, request, source)

    def _speaker(self, asked: AskedConversation) -> Speaker | None:
        if not asked.voices:
            return None
        chosen = {code: ChosenVoice(v.model, v.name) for code, v in asked.voices.items()}
        return VoicedSpeaker(self._backend, chosen, asked.sample_rate_hz)
