"""A stream that is written down: a slot of a model, taken while its client is let in."""

from collections.abc import Callable

from serve_app.audio.voice import DETECTORS
from serve_app.config import StreamsConfig
from serve_app.errors import UnsupportedOptionError
from serve_app.ingress.sockets.stream import Stream
from serve_app.ingress.sockets.transcription.asked import Asked
from serve_app.pipelines.streaming.events import StreamEvent
from serve_app.pipelines.streaming.host import StreamHost
from serve_app.pipelines.streaming.session import SessionSettings, StreamSession
from serve_app.telemetry import tracing


class TextStream(Stream[Asked, StreamSession, StreamEvent]):
    """One live stream. See `Stream`."""

    def __init__(
        self,
        host_of: Callable[[str], StreamHost],
        streams: StreamsConfig,
        on_audio: Callable[[float], None],
    ) -> None:
        super().__init__(self._slotted, on_audio)
        self._host_of = host_of
        self._streams = streams

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

    async def discard(self) -> None:
        """See `StreamSession.discard`."""
        await (await self._session()).discard()

    @property
    def settled_s(self) -> float | None:
        """See `StreamSession.settled_s`."""
        session = self._opened_session()
        return None if session is None else session.settled_s

    @property
    def limits(self) -> StreamsConfig:
        return self._streams

    @property
    def patience_s(self) -> float:
        """Its model may have to start, should its replica be lost just then."""
        streaming = None if self.asked is None else self.asked.model.streaming
        return 0.0 if streaming is None else streaming.cold_start_s

    async def _slotted(self, asked: Asked) -> StreamSession:
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
