"""The caller of each exchange, found and asked for its limits before its body is read.

Keys are taken from where the clients that there are put them:

Authorization: Bearer K        OpenAI's SDK, `chorus`, Prometheus
Authorization: Token K         Deepgram's clients
api-key: K                     Azure's
Sec-WebSocket-Protocol:        browsers, which can send a socket no header:
    openai-insecure-api-key.K      OpenAI's
    realtime-token.K               NIM's

Never from a query: those stand in every log on the way.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.deployments.ledger import AsyncLedger
from serve_app.deployments.ledger.accounts import RENEW_S, Limits, Refusal
from serve_app.errors import (
    AudioLimitError,
    KeyLimitError,
    OriginRefusedError,
    RequestLimitError,
    SpeechError,
    StreamLimitError,
    UnauthenticatedError,
)
from serve_app.ingress.auth.audit import Exchange, current
from serve_app.ingress.auth.keys import Key, KeyFile, matching
from serve_app.ingress.auth.secrets import PREFIX, Claims, Signer
from serve_app.ingress.problems import TABLE, problem_of, refuse, route_path
from serve_app.ingress.web import site

OPEN_PATHS = site.PATHS | frozenset({"/", "/health", "/ready", "/docs", "/redoc", "/openapi.json"})
"""What anybody may read: probes, what this is, and the page that asks for a key."""
METRICS_PATH = "/metrics"

CLAIMS = "client_secret"
"""Where a wire finds the `Claims` of its caller: `scope["state"][CLAIMS]`."""

KEY = "api_key"
"""And the `Key` itself, which is no secret: it knows the hash only."""

_SCHEMES = ("bearer", "token")
SUBPROTOCOLS = ("openai-insecure-api-key.", "realtime-token.")
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_LIMIT_ERRORS: dict[str, type[KeyLimitError]] = {
    "requests_per_minute": RequestLimitError,
    "audio_s_per_day": AudioLimitError,
    "concurrent_streams": StreamLimitError,
}


class Origins:
    """Lets pages of other sites open no sockets: browsers ask nobody before they do.

    A client that names no origin is no browser.
    """

    def __init__(self, app: ASGIApp, *, allowed: Collection[str]) -> None:
        self.app = app
        self.allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            if origin is not None and not self._is_allowed(origin, headers.get("host", "")):
                await refuse(problem_of(OriginRefusedError(origin[:100])), scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _is_allowed(self, origin: str, host: str) -> bool:
        return "*" in self.allowed or origin in self.allowed or _is_same_host(origin, host)


class Door:
    """Lets in who has a key or a client secret and is within its limits.

    What is open in the first place passes. `clock` gives Unix seconds; `pause` waits until the
    next renewal of a stream.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        keys: KeyFile,
        ledger: AsyncLedger,
        signer: Signer | None = None,
        open_paths: Collection[str] = OPEN_PATHS,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    ) -> None:
        self.app = app
        self.keys = keys
        self.ledger = ledger
        self.signer = signer
        self.open_paths = open_paths
        self.clock = clock
        self.pause = pause
        self._notes: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._is_open(scope):
            await self.app(scope, receive, send)
            return
        stream = str(uuid.uuid4()) if scope["type"] == "websocket" else None
        exchange = current()
        try:
            key = await self._caller(scope, exchange)
            await self._admit(key.name, key.limits, stream, works=_works(scope))
        except SpeechError as error:
            await refuse(problem_of(error), scope, receive, send)
            return
        try:
            if stream is None:
                await self.app(scope, receive, send)
            else:
                await self._hold(key, stream, exchange, self.app(scope, receive, send), send)
        finally:
            audio_s = exchange.to_charge_s()
            if stream is not None or audio_s:
                # Not waited for: who was answered, or has left, must not wait for the books.
                self._spawn(self.ledger.note(key.name, audio_s, stream=stream, is_over=True))

    def _is_open(self, scope: Scope) -> bool:
        if scope["type"] == "http":
            is_reading: bool = scope["method"] in ("GET", "HEAD")
            return is_reading and route_path(scope) in self.open_paths
        is_socket: bool = scope["type"] == "websocket"
        return not is_socket

    async def _caller(self, scope: Scope, exchange: Exchange) -> Key:
        """
        Raises:
            UnauthenticatedError: it names no key, or none that opens anything.
        """
        presented = presented_by(scope)
        if presented is None:
            raise UnauthenticatedError("send an API key: Authorization: Bearer KEY")
        keys = await self.keys.keys()
        now_s = self.clock()
        claims = self._claims(presented, scope, now_s)
        if claims is None:
            key = matching(keys, presented)
        else:
            maker = (claims.key, claims.fingerprint)
            key = next((each for each in keys if (each.name, each.fingerprint) == maker), None)
            scope.setdefault("state", {})[CLAIMS] = claims
        if key is None:
            raise UnauthenticatedError("the API key is not known here")
        scope.setdefault("state", {})[KEY] = key
        exchange.key, exchange.by_secret = key.name, claims is not None
        if key.has_expired(now_s):
            raise UnauthenticatedError("the API key has expired")
        return key

    def _claims(self, presented: str, scope: Scope, now_s: float) -> Claims | None:
        if self.signer is None or not presented.startswith(PREFIX):
            return None
        return self.signer.verify(presented, route_path(scope), now_s)

    async def _admit(self, name: str, limits: Limits, stream: str | None, *, works: bool) -> None:
        refusal = await self.ledger.admit(name, limits, works=works, stream=stream)
        if refusal is not None:
            raise _error_of(refusal)

    async def _hold(
        self, key: Key, stream: str, exchange: Exchange, work: Awaitable[None], send: Send
    ) -> None:
        """Keep a stream for as long as it lasts, or until its key is taken back."""
        working = asyncio.ensure_future(work)
        renewing = asyncio.create_task(self._renew(key, stream, exchange))
        try:
            await asyncio.wait({working, renewing}, return_when="FIRST_COMPLETED")
            if working.done():
                return working.result()
            renewing.result()
        finally:
            working.cancel()
            renewing.cancel()
            await asyncio.gather(working, renewing, return_exceptions=True)
        if exchange.ws_close is None:
            await send(_closing(UnauthenticatedError("the API key was taken back")))

    async def _renew(self, key: Key, stream: str, exchange: Exchange) -> None:
        """Renew the lease and charge the audio, and end the stream where that was too much; return
        when the key opens nothing any more."""
        while True:
            await self.pause(RENEW_S)
            keys = await self.keys.keys()
            named = {each.name: each for each in keys if not each.has_expired(self.clock())}
            now = named.get(key.name)
            if now is None or now.sha256 != key.sha256:
                return
            charge_s = exchange.to_charge_s()
            refusal = await self.ledger.renew(key.name, now.limits, charge_s, stream=stream)
            if refusal is not None:
                exchange.refuse(_error_of(refusal))

    def _spawn(self, note: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(note)
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)


def presented_by(scope: Scope) -> str | None:
    """What the client shows as its key, or as its secret; None for nothing."""
    headers = Headers(scope=scope)
    scheme, _, value = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() in _SCHEMES and value.strip():
        return value.strip()
    if value := headers.get("api-key", "").strip():
        return value
    for offered in scope.get("subprotocols") or ():
        for prefix in SUBPROTOCOLS:
            if offered.startswith(prefix):
                return str(offered.removeprefix(prefix)) or None
    return None


def _closing(error: SpeechError) -> Message:
    code = TABLE[error.code].ws_close
    return {"type": "websocket.close", "code": code, "reason": error.code.value}


def _works(scope: Scope) -> bool:
    """Whether it would have audio transcribed; to look around is allowed to who has had enough."""
    is_socket: bool = scope["type"] == "websocket"
    return is_socket or scope["method"] == "POST"


def _error_of(refusal: Refusal) -> KeyLimitError:
    return _LIMIT_ERRORS[refusal.limit](refusal.value, refusal.retry_after_s)


def _is_same_host(origin: str, host: str) -> bool:
    """The scheme is left out: whoever ended TLS in front of us has changed it."""
    try:
        parts = urlsplit(origin)
        default = _DEFAULT_PORTS.get(parts.scheme)
        here = urlsplit(f"//{host}")
        same_port = (parts.port or default) == (here.port or default)
    except ValueError:
        return False
    return parts.hostname is not None and parts.hostname == here.hostname and same_port
