"""WebSocket `/asr`: PCM16LE at 16 kHz, in; the text so far each time that it changes, out.

The query says what is wanted (`sockets.transcription.asked`). An empty binary message ends the
stream.
"""

from fastapi import APIRouter
from starlette.websockets import WebSocket

from serve_app.audio.frames import PacketDecoder, PacketFormat
from serve_app.audio.waveform import SAMPLE_RATE_HZ
from serve_app.errors import MessageError
from serve_app.ingress.problems import Problem
from serve_app.ingress.sockets.connection import Connection, query_of
from serve_app.ingress.sockets.inbox import Heard
from serve_app.ingress.sockets.serving import Sockets
from serve_app.ingress.sockets.transcription.asked import asked_of
from serve_app.ingress.sockets.transcription.said import Said
from serve_app.ingress.sockets.transcription.stream import TextStream
from serve_app.ingress.wires.rest.answers import simulated_of
from serve_app.pipelines.streaming.events import Finished, StreamEvent
from serve_app.transcript.render import Json

PATH = "/asr"
_CHUNK_SAMPLES = 1600
"""What clients are advised to send at once: 100 ms."""


def router(sockets: Sockets) -> APIRouter:
    """The route of this wire."""
    routes = APIRouter()

    @routes.websocket(PATH)
    async def asr(websocket: WebSocket) -> None:
        fields = query_of(websocket)
        await sockets.serve(
            websocket,
            PATH,
            lambda: asked_of(fields, sockets.served, sockets.config.streams),
            AsrWire,
        )

    return routes


class AsrWire:
    """See `Wire`."""

    def __init__(self, connection: Connection, stream: TextStream) -> None:
        assert stream.asked is not None
        self._connection = connection
        self._stream = stream
        self._asked = stream.asked
        self._packets = PacketDecoder(PacketFormat())
        self._said = Said()
        self.resumes = self._asked.resumes

    async def begin(self) -> None:
        options = self._asked.options
        language = options.language or "auto"
        await self._connection.send(
            {
                "type": "config",
                "language": language,
                "target_language": options.target_language or language,
                "sample_rate": SAMPLE_RATE_HZ,
                "chunk_size": _CHUNK_SAMPLES,
                "model": self._asked.model.name,
                **simulated_of(self._asked.model),
                **self._token(self._asked.offset_s),
            }
        )

    async def hear(self, message: Heard) -> bool:
        if isinstance(message, str):
            raise MessageError("text is not understood here: send audio as binary PCM16LE")
        if not message:
            return False
        await self._stream.feed(self._packets.decode(message))
        if self.resumes and self._said.settle(self._stream.settled_s):
            await self._partial()
        return True

    async def tell(self, event: StreamEvent) -> None:
        if self._said.hear(event) or (self.resumes and self._said.has_new_final):
            await self._partial()
        if isinstance(event, Finished):
            simulated = simulated_of(self._asked.model)
            await self._connection.send(
                {"type": "final", "text": self._said.confirmed, **simulated}
            )

    async def complain(self, problem: Problem) -> None:
        await self._connection.send({"type": "error", **problem.body()})

    async def _partial(self) -> None:
        await self._connection.send(
            {
                "type": "partial",
                "confirmed": self._said.confirmed,
                "buffer": self._said.tentative,
                "full_text": self._said.text,
                "heard_s": round(self._said.heard_s, 3),
                **self._token(self._said.take_final_s()),
            }
        )

    def _token(self, at_s: float | None) -> dict[str, Json]:
        if at_s is None or not self._asked.resumes:
            return {}
        return {"resume": self._asked.token(at_s), "resume_s": at_s}
