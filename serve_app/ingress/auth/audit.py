"""One line for each exchange: who asked for what, and what it cost. Never audio, text or a key.

What is inside an exchange adds to it: the door says whose it is, the backend how much audio it
was. Both find it by its context, so that nothing between them has to carry it.
"""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.errors import KeyLimitError
from serve_app.ingress.backend import Around
from serve_app.ingress.problems import route_path
from serve_app.models.protocols import SpeechPart, SpokenText
from serve_app.pipelines.transcription import TranscriptionRequest
from serve_app.transcript.types import Segment, Transcript

LOGGER = "chorus.audit"
_PROBES = frozenset({"/health", "/ready"})
_KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_MAX_REQUEST_ID_CHARACTERS = 128
_SWITCHING_PROTOCOLS = 101

log = logging.getLogger(LOGGER)


@dataclass(slots=True)
class Exchange:
    """What is known so far of one request, or of one WebSocket."""

    key: str | None = None
    """Name of the caller's key."""
    by_secret: bool = False
    """Whether the caller holds a client secret instead of the key itself."""
    audio_s: float = 0.0
    """Audio that was transcribed or spoken for it."""
    num_bytes_in: int = 0
    status: int | None = None
    """HTTP's; 101 for a WebSocket that was opened. None: the client left first."""
    ws_close: int | None = None
    charged_s: float = 0.0
    refusal: KeyLimitError | None = None
    refused: asyncio.Event = field(default_factory=asyncio.Event)
    """Set with `refusal` once the caller has used up what it may: what lasts must end."""

    def to_charge_s(self) -> float:
        """The audio since the last time that this was asked."""
        since_s, self.charged_s = self.audio_s - self.charged_s, self.audio_s
        return since_s

    def refuse(self, refusal: KeyLimitError) -> None:
        """End what lasts, once what it is owed is told."""
        self.refusal = refusal
        self.refused.set()


_CURRENT: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


def current() -> Exchange:
    """The exchange that the caller works for; one that nobody reads, outside of any."""
    return _CURRENT.get() or Exchange()


class Audit:
    """Opens an exchange, and writes its line when it is over. Probes are left out.

    `routes` are those that a request may have been meant for which was refused before it was
    routed. `clock` gives Unix seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: Sequence[BaseRoute] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.app = app
        self.routes = routes
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or route_path(scope) in _PROBES:
            await self.app(scope, receive, send)
            return
        exchange = Exchange()

        async def receive_counted() -> Message:
            message = await receive()
            _count(message, exchange)
            return message

        async def send_seen(message: Message) -> None:
            _see(message, exchange)
            await send(message)

        began_at, began = self.clock(), time.perf_counter()
        token = _CURRENT.set(exchange)
        try:
            await self.app(scope, receive_counted, send_seen)
        finally:
            _CURRENT.reset(token)
            route = getattr(scope.get("route"), "path", None) or self._meant(scope)
            log.info(_line(scope, route, exchange, began_at, time.perf_counter() - began))

    def _meant(self, scope: Scope) -> str | None:
        """A route's template; the path itself might tell the name of a file."""
        for route in self.routes:
            if route.matches(scope)[0] is not Match.NONE:
                path: str | None = getattr(route, "path", None)
                return path
        return None


class Accounted(Around):
    """A backend that adds the audio it was given to the exchange that gave it: see `Backend`."""

    async def transcribe(self, upload: bytes, request: TranscriptionRequest) -> Transcript:
        transcript = await self._backend.transcribe(upload, request)
        current().audio_s += transcript.duration_s
        return transcript

    async def stream(
        self, upload: bytes, request: TranscriptionRequest
    ) -> AsyncGenerator[Segment | Transcript, None]:
        """A client who leaves in the middle has had what it was sent."""
        exchange = current()
        heard_s = 0.0
        async with aclosing(self._backend.stream(upload, request)) as parts:
            async for part in parts:
                until_s = part.duration_s if isinstance(part, Transcript) else part.end_s
                exchange.audio_s += max(0.0, until_s - heard_s)
                heard_s = max(heard_s, until_s)
                yield part

    async def speak(self, model: str, request: SpokenText) -> AsyncGenerator[SpeechPart, None]:
        """What is spoken counts as what is heard does. Single sentences are for wires that hear as
        well, and charge for that."""
        exchange = current()
        async with aclosing(self._backend.speak(model, request)) as parts:
            async for part in parts:
                exchange.audio_s += part.duration_s
                yield part


def _count(message: Message, exchange: Exchange) -> None:
    if message["type"] == "http.request":
        exchange.num_bytes_in += len(message.get("body", b""))
    elif message["type"] == "websocket.receive":
        data: bytes | str = message.get("bytes") or message.get("text") or b""
        exchange.num_bytes_in += len(data)
    elif message["type"] == "websocket.disconnect":
        exchange.ws_close = message.get("code")


def _see(message: Message, exchange: Exchange) -> None:
    match message["type"]:
        case "http.response.start" | "websocket.http.response.start":
            exchange.status = message["status"]
        case "websocket.accept":
            exchange.status = _SWITCHING_PROTOCOLS
        case "websocket.close":
            exchange.ws_close = message.get("code", 1000)


def _line(
    scope: Scope, route: str | None, exchange: Exchange, began_at: float, wall_s: float
) -> str:
    line = {
        "time": datetime.fromtimestamp(began_at, UTC).isoformat(timespec="milliseconds"),
        "request_id": _request_id(scope),
        "key": exchange.key,
        "client_secret": exchange.by_secret,
        "method": _method(scope),
        "route": route,
        "status": exchange.status,
        "bytes_in": exchange.num_bytes_in,
        "audio_s": round(exchange.audio_s, 3),
        "wall_ms": round(wall_s * 1000, 1),
        "client": scope["client"][0] if scope.get("client") else None,
    }
    if scope["type"] == "websocket":
        line["ws_close"] = exchange.ws_close
    return json.dumps(line, separators=(",", ":"))


def _method(scope: Scope) -> str:
    if scope["type"] == "websocket":
        return "WEBSOCKET"
    method: str = scope["method"]
    return method if method in _KNOWN_METHODS else "other"


def _request_id(scope: Scope) -> str:
    given = scope.get("state", {}).get("request_id") or Headers(scope=scope).get("x-request-id")
    return given[:_MAX_REQUEST_ID_CHARACTERS] if given else str(uuid.uuid4())
