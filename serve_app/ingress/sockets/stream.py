"""The session behind a socket: opened while its client is let in, charged as it is fed, closed."""

import asyncio
from collections.abc import AsyncIterator, Callable

from serve_app.audio.voice import DETECTORS
from serve_app.audio.waveform import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from serve_app.config import StreamsConfig
from serve_app.errors import AudioTooLongError, KeyLimitError, UnsupportedOptionError
from serve_app.ingress.auth.audit import current
from serve_app.ingress.sockets.asked import Asked
from serve_app.pipelines.streaming.events import StreamEvent
from serve_app.pipelines.streaming.host import StreamHost
from serve_app.pipelines.streaming.session import SessionSettings, StreamSession
from serve_app.telemetry import tracing

_BYTES_PER_S = SAMPLE_RATE_HZ * BYTES_PER_SAMPLE
_PIECE_BYTES = _BYTES_PER_S // 10
"""Of a message, handed on at once: it is charged before it is heard, and may be its last."""


class Stream:
    """One live stream. What is fed before its slot is there waits for it."""

    def __init__(
        self,
        host_of: Callable[[str], StreamHost],
        streams: StreamsConfig,
        on_audio: Callable[[float], None],
    ) -> None:
        self._host_of = host_of
        self._streams = streams
        self._on_audio = on_audio
        self._exchange = current()
        self._opening: asyncio.Task[StreamSession] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._begun = asyncio.Event()
        self.asked: Asked | None = None
        self.fed_s = 0.0
        """Audio that was handed on, in seconds."""

    def open(self, asked: Asked) -> None:
        """Begin to take a slot."""
        self.asked = asked
        self._opening = asyncio.create_task(self._open(asked))

    async def opened(self, within_s: float) -> None:
        """Return when the slot is there, or after `within_s`.

        Raises:
            AtCapacityError: no slot is free.
            ModelUnavailableError: no replica came up.
        """
        if self._opening is not None:
            await asyncio.wait({self._opening}, timeout=within_s)
            if self._opening.done():
                self._opening.result()

    async def change(self, asked: Asked) -> None:
        """Ask for something else from the next segment on; another model only before any audio.

        Raises:
            UnsupportedOptionError: another model, too late.
        """
        before, self.asked = self.asked, asked
        is_other = before is None or (before.model, before.offset_s) != (
            asked.model,
            asked.offset_s,
        )
        if not is_other:
            if before is not None and (before.options, before.voice_activity) != (
                asked.options,
                asked.voice_activity,
            ):
                (await self._session()).configure(asked.options, asked.voice_activity)
            return
        if self._begun.is_set():
            self.asked = before
            raise UnsupportedOptionError("model", "cannot change once audio has come")
        await self._drop()
        self.open(asked)

    async def feed(self, pcm: bytes) -> None:
        """Hand PCM16LE mono at 16 kHz on; wait while too much has no text yet.

        Raises:
            SpeechError: as `opened`, and as `StreamSession.feed`.
        """
        session = await self._session()
        self._begun.set()
        for start in range(0, len(pcm), _PIECE_BYTES):
            piece = pcm[start : start + _PIECE_BYTES]
            duration_s = len(piece) / _BYTES_PER_S
            self._exchange.audio_s += duration_s
            self._on_audio(duration_s)
            try:
                await session.feed(piece)
            except AudioTooLongError as error:
                error.param = None  # there is no field to blame
                raise
            self.fed_s += duration_s

    async def commit(self) -> None:
        """See `StreamSession.commit`."""
        session = await self._session()
        self._begun.set()
        await session.commit()

    async def discard(self) -> None:
        """See `StreamSession.discard`."""
        await (await self._session()).discard()

    async def finish(self) -> None:
        """See `StreamSession.finish`."""
        session = await self._session()
        self._begun.set()
        await session.finish()

    async def events(self) -> AsyncIterator[StreamEvent]:
        """What there is to tell once something was fed.

        Raises:
            SpeechError: what ended the stream.
        """
        await self._begun.wait()
        async for event in (await self._session()).events():
            yield event

    async def refused(self) -> KeyLimitError:
        """Return once the caller may not go on, and say why."""
        await self._exchange.refused.wait()
        assert self._exchange.refusal is not None
        return self._exchange.refusal

    async def close(self) -> None:
        """Give the slot up, even if who waits for that is cancelled; may be called again."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._drop())
        await asyncio.shield(self._closing)

    @property
    def settled_s(self) -> float | None:
        """See `StreamSession.settled_s`."""
        session = self._opened_session()
        return None if session is None else session.settled_s

    @property
    def is_owing(self) -> bool:
        """See `StreamSession.is_owing`."""
        session = self._opened_session()
        return session is not None and session.is_owing

    async def _open(self, asked: Asked) -> StreamSession:
        streaming = asked.model.streaming
        assert streaming is not None
        settings = SessionSettings(
            max_ahead_s=self._streams.max_ahead_s,
            max_stream_s=self._streams.max_stream_s,
            voice_activity=asked.voice_activity,
            offset_s=asked.offset_s,
            patience_s=streaming.cold_start_s,
            new_detector=DETECTORS[self._streams.voice_detector],
        )
        host = self._host_of(asked.model.name)
        # Around the waiting alone: what the session does later stands below the request itself.
        waiting = tracing.start("slot", {"chorus.model": asked.model.name}, parent=tracing.here())
        try:
            return await StreamSession.open(host, asked.options, settings)
        except BaseException as error:
            waiting.fail(type(error).__name__)
            raise
        finally:
            waiting.end()

    def _opened_session(self) -> StreamSession | None:
        opening = self._opening
        if opening is None or not opening.done() or opening.cancelled() or opening.exception():
            return None
        return opening.result()

    async def _session(self) -> StreamSession:
        """Waiting for it may be given up; the opening goes on."""
        assert self._opening is not None
        return await asyncio.shield(self._opening)

    async def _drop(self) -> None:
        if self._opening is None:
            return
        self._opening.cancel()
        await asyncio.wait({self._opening})
        if not self._opening.cancelled() and self._opening.exception() is None:
            await self._opening.result().close()
