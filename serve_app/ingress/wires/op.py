"""WebSocket `/`, the op protocol: `init`, PCM16LE, `close`, in; an `interim` per change, out.

What is wanted stands in the query, in `init`, or in both (`sockets.transcription.asked`).
"""

import time
from typing import TypeAlias

from fastapi import APIRouter
from starlette.websockets import WebSocket

from serve_app.audio.frames import PacketDecoder, PacketFormat
from serve_app.audio.waveform import SAMPLE_RATE_HZ
from serve_app.errors import MessageError, UnsupportedFormatError
from serve_app.ingress.forms import shown
from serve_app.ingress.problems import Problem
from serve_app.ingress.sockets.connection import Connection, json_of, query_of
from serve_app.ingress.sockets.inbox import Heard
from serve_app.ingress.sockets.serving import Sockets
from serve_app.ingress.sockets.transcription.asked import Asked, asked_of
from serve_app.ingress.sockets.transcription.said import Said
from serve_app.ingress.sockets.transcription.stream import TextStream
from serve_app.ingress.wires.rest.answers import simulated_of
from serve_app.pipelines.streaming.events import Finished, StreamEvent
from serve_app.transcript.render import Json

PATH = "/"
_MAX_SID_CHARACTERS = 200

Sid: TypeAlias = str | int | None


def router(sockets: Sockets) -> APIRouter:
    """The route of this wire; `GET /` is another."""
    routes = APIRouter()

    @routes.websocket(PATH)
    async def op(websocket: WebSocket) -> None:
        fields = query_of(websocket)
        await sockets.serve(
            websocket,
            PATH,
            lambda: asked_of(fields, sockets.served, sockets.config.streams),
            lambda connection, stream: OpWire(connection, stream, sockets, fields),
        )

    return routes


class OpWire:
    """See `Wire`."""

    def __init__(
        self, connection: Connection, stream: TextStream, sockets: Sockets, fields: dict[str, str]
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._sockets = sockets
        self._fields = fields
        self._packets: PacketDecoder | None = None
        self._sid: Sid = None
        self._said = Said()

    @property
    def resumes(self) -> bool:
        return self._asked.resumes

    @property
    def _asked(self) -> Asked:
        assert self._stream.asked is not None
        return self._stream.asked

    async def begin(self) -> None:
        """The client speaks first."""

    async def hear(self, message: Heard) -> bool:
        if isinstance(message, bytes):
            if self._packets is None:
                raise MessageError("audio came before `init`")
            await self._stream.feed(self._packets.decode(message))
            if self.resumes and self._said.settle(self._stream.settled_s):
                await self._interim(is_final=False)
            return True
        op = await json_of(message)
        match op.get("op"):
            case "init":
                await self._init(op)
            case "close":
                await self._close(op)
                return False
            case other:
                raise MessageError(f"{shown(str(other))} is neither `init` nor `close`", "op")
        return True

    async def tell(self, event: StreamEvent) -> None:
        before = self._said.text
        self._said.hear(event)
        if isinstance(event, Finished):
            await self._interim(is_final=True)
        elif self._said.text != before or (self.resumes and self._said.has_new_final):
            await self._interim(is_final=False)

    async def complain(self, problem: Problem) -> None:
        await self._connection.send({"op": "error", "sid": self._sid, **problem.body()})

    async def _init(self, op: dict[str, object]) -> None:
        if self._packets is not None:
            raise MessageError("a second `init` on one socket", "op")
        sid, rate_hz = op.pop("sid", None), op.pop("sr", SAMPLE_RATE_HZ)
        self._sid = _checked_sid(sid)
        del op["op"]
        fields = dict(self._fields)
        for name, value in op.items():
            if value is None:  # as clients of many languages write what is not set
                continue
            if not isinstance(value, str | bool):
                raise MessageError("its value is no text", name[:100])
            fields[name] = str(value).lower() if isinstance(value, bool) else value
        if type(rate_hz) is not int:
            raise MessageError("not a whole number", "sr")
        try:
            packets = PacketDecoder(PacketFormat(rate_hz=rate_hz))
        except UnsupportedFormatError as error:
            error.param = "sr"
            raise
        asked = asked_of(fields, self._sockets.served, self._sockets.config.streams)
        await self._stream.change(asked)
        self._packets = packets
        if asked.resumes:
            await self._connection.send(
                {"op": "ready", "sid": self._sid, **self._token(asked.offset_s)}
            )

    async def _close(self, op: dict[str, object]) -> None:
        if self._packets is None:
            raise MessageError("`close` came before `init`", "op")
        if op.get("sid", self._sid) != self._sid:
            raise MessageError("no such stream on this socket", "sid")
        await self._stream.feed(self._packets.flush())

    async def _interim(self, *, is_final: bool) -> None:
        await self._connection.send(
            {
                "op": "interim",
                "sid": self._sid,
                "text": self._said.text,
                "final": is_final,
                "ts": round(time.time() * 1000),
                **simulated_of(self._asked.model),
                **self._token(self._said.take_final_s()),
            }
        )

    def _token(self, at_s: float | None) -> dict[str, Json]:
        if at_s is None or not self.resumes:
            return {}
        return {"resume": self._asked.token(at_s), "resume_s": at_s}


def _checked_sid(sid: object) -> Sid:
    is_name = sid is None or type(sid) is int or isinstance(sid, str)
    if not is_name or len(str(sid)) > _MAX_SID_CHARACTERS:
        raise MessageError("neither a short text nor a number", "sid")
    return sid  # type: ignore[return-value]  # narrowed by `is_name`
