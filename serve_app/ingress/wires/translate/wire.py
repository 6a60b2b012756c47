"""The conversation of `/ws/translate`: what is wanted, PCM16LE, `__flush__`, in; events, out.

Without `events: true` each utterance is one WAV and one message with its text, as clients that
were there before know it.
"""

from fastapi import APIRouter
from starlette.websockets import WebSocket

from serve_app.audio.frames import PacketDecoder
from serve_app.audio.wav import wav_of
from serve_app.errors import MessageError, UnsupportedOptionError
from serve_app.ingress.problems import Problem, failure_of, told
from serve_app.ingress.sockets.connection import Connection, json_of
from serve_app.ingress.sockets.inbox import Heard
from serve_app.ingress.sockets.serving import Sockets
from serve_app.ingress.sockets.translation.stream import SpokenStream
from serve_app.ingress.wires.translate.first import First, first_of
from serve_app.pipelines.speech_to_speech.events import (
    ConversationEvent,
    Done,
    Failed,
    Finished,
    Sound,
    SpeechStarted,
    SpeechStopped,
    Translated,
    UtteranceEvent,
)
from serve_app.transcript.render import Json

PATH = "/ws/translate"
_FLUSH = "__flush__"
_OPEN_WITHIN_S = 2.0
"""Of a model for live streams: that it is full is told so soon; who waits longer may speak."""


def router(sockets: Sockets) -> APIRouter:
    """The route of this wire."""
    routes = APIRouter()

    def ask() -> None:
        """What is wanted comes in the first message; that nobody could do it is known before."""
        if not any("translate" in model.tasks for model in sockets.served.models):
            raise UnsupportedOptionError("model", "no model that translates is served here")

    @routes.websocket(PATH)
    async def translate(websocket: WebSocket) -> None:
        await sockets.translate(
            websocket,
            PATH,
            ask,
            lambda connection, stream: TranslateWire(connection, stream, sockets),
        )

    return routes


class TranslateWire:
    """See `Wire`."""

    resumes = False
    """What is under way when the socket goes is dropped."""

    def __init__(self, connection: Connection, stream: SpokenStream, sockets: Sockets) -> None:
        self._connection = connection
        self._stream = stream
        self._sockets = sockets
        self._first: First | None = None
        self._packets: PacketDecoder | None = None
        self._untold: Translated | None = None
        """For clients without events: what its utterance's sound comes before."""
        self._sound = bytearray()

    async def begin(self) -> None:
        """The client speaks first."""

    async def hear(self, message: Heard) -> bool:
        if self._packets is None:
            await self._begin(message)
        elif isinstance(message, str):
            if message != _FLUSH:
                raise MessageError(f"text is not understood here, but for {_FLUSH}")
            await self._flush()
        elif message:
            await self._stream.feed(self._packets.decode(message))
        else:
            await self._flush()
            return False
        return True

    async def tell(self, event: ConversationEvent) -> None:
        assert self._first is not None
        if isinstance(event, Finished):
            return
        if self._first.with_events:
            await self._tell_event(event)
        else:
            await self._tell_plainly(event)

    async def complain(self, problem: Problem) -> None:
        await self._connection.send({"type": "error", **problem.body()})

    async def _begin(self, message: Heard) -> None:
        if not isinstance(message, str):
            raise MessageError("the first message says what is wanted, as JSON", "mode")
        sockets = self._sockets
        first = first_of(await json_of(message), sockets.config, sockets.served, sockets.voices)
        self._first, self._packets = first, PacketDecoder(first.packet_format)
        self._stream.open(first.asked)
        await self._stream.opened(_OPEN_WITHIN_S)
        if first.with_events:
            await self._connection.send(self._ready(first))

    async def _flush(self) -> None:
        assert self._packets is not None
        if rest := self._packets.flush():
            await self._stream.feed(rest)
        await self._stream.commit()

    def _ready(self, first: First) -> dict[str, Json]:
        asked = first.asked
        languages = [code for code in (asked.direction.source, asked.direction.target) if code]
        return {
            "type": "ready",
            "mode": asked.direction.mode,
            "languages": list(languages),
            "sample_rate": asked.sample_rate_hz,
            "model": asked.model.name,
            "voices": {code: voice.name for code, voice in asked.voices.items()},
            **self._simulated(),
        }

    async def _tell_event(self, event: UtteranceEvent) -> None:
        number: dict[str, Json] = {"utterance": event.utterance}
        match event:
            case SpeechStarted():
                body: dict[str, Json] = {"type": "speech_started", "at_s": round(event.at_s, 3)}
            case SpeechStopped():
                body = {"type": "speech_stopped", "at_s": round(event.at_s, 3)}
            case Translated():
                body = {
                    "type": "translation",
                    **self._text(event),
                    "source_text": event.source_text,
                    "start_s": round(event.start_s, 3),
                    "end_s": round(event.end_s, 3),
                    "is_final": event.is_final,
                    "latency_ms": _ms(event.latency_s),
                }
            case Sound():
                body = {
                    "type": "audio",
                    "part": event.part,
                    "sample_rate": event.speech.sample_rate_hz,
                    "duration_s": round(event.speech.duration_s, 3),
                    "latency_ms": _ms(event.latency_s),
                }
            case Failed():
                body = {"type": "failed", **told(failure_of(event.error)).body()}
            case Done():
                latency: dict[str, Json] = {"text": _ms(event.text_s), "sound": _ms(event.sound_s)}
                body = {"type": "done", "latency_ms": latency}
        await self._connection.send({"type": body["type"], **number, **body})
        if isinstance(event, Sound):
            speech = event.speech
            await self._connection.send_bytes(wav_of(speech.pcm, speech.sample_rate_hz))

    async def _tell_plainly(self, event: UtteranceEvent) -> None:
        match event:
            case Translated(is_final=True):
                self._untold = event
            case Sound():
                self._sound += event.speech.pcm
            case Failed():
                problem = told(failure_of(event.error))
                await self._connection.send(
                    {"type": "failed", "utterance": event.utterance, **problem.body()}
                )
            case Done():
                # Of one that could not be spoken, behind that: its text, and what there is of it.
                if self._untold is not None and self._untold.text:
                    await self._tell_whole(self._untold)
                self._untold = None
                self._sound.clear()

    async def _tell_whole(self, translated: Translated) -> None:
        assert self._first is not None
        asked = self._first.asked
        if asked.voices:
            await self._connection.send_bytes(wav_of(bytes(self._sound), asked.sample_rate_hz))
        source = {"source_text": translated.source_text} if asked.source_text else {}
        await self._connection.send({**self._text(translated), **source})

    def _text(self, translated: Translated) -> dict[str, Json]:
        return {
            "src": translated.source,
            "tgt": translated.target,
            "text": translated.text,
            **self._simulated(),
        }

    def _simulated(self) -> dict[str, Json]:
        assert self._first is not None
        return {"simulated": True} if self._first.asked.is_simulated else {}


def _ms(duration_s: float | None) -> int | None:
    return None if duration_s is None else round(duration_s * 1000)
