"""Exchanges, in; a span for each, below the one that its client names in `traceparent`, out."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.ingress.watching.measured import route_of
from serve_app.telemetry import tracing
from serve_app.telemetry.tracing import Span

_FAILED_FROM = 500
_REFUSED_FROM = 400
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_NORMAL_CLOSE = 1000
_NO_CODE, _CUT = 1005, 1006
"""As the server itself calls a close without a code, and none at all: RFC 6455 §7.4.1."""
_UNTRACED = frozenset({"/health", "/ready", "/metrics"})
"""Asked every few seconds, by nobody who wants to know how it went."""


class Traced:
    """All that is done for an exchange stands below its span; a WebSocket's lasts as long as it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] in _UNTRACED:
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        parent = tracing.trace_of_headers(
            headers.get("traceparent", ""), ",".join(headers.getlist("tracestate"))
        )
        method = _method_of(scope)
        with tracing.span(
            method, {"http.request.method": method}, kind="server", parent=parent
        ) as span:
            is_answered = False

            async def send_seen(message: Message) -> None:
                nonlocal is_answered
                ends = _note(span, message)
                await send(message)
                is_answered |= ends

            async def receive_seen() -> Message:
                nonlocal is_answered
                message = await receive()
                if message["type"] == "websocket.disconnect" and not is_answered:
                    is_answered = _note_close(span, message)
                return message

            # A request's own is left as it is: Serve's, which others look into.
            hears = receive_seen if scope["type"] == "websocket" else receive
            try:
                await self.app(scope, hears, send_seen)
            finally:
                _name(span, method, scope)
                if not is_answered:
                    span.set({"chorus.outcome": "left"})


def _method_of(scope: Scope) -> str:
    """As OpenTelemetry names it; of a WebSocket, that of its handshake."""
    method: str = scope.get("method", "GET")
    return method if method in _METHODS else "_OTHER"


def _name(span: Span, method: str, scope: Scope) -> None:
    route = route_of(scope)
    span.rename(f"{method} {route}")
    span.set({"http.route": route})
    if scope["type"] == "websocket":
        span.set({"network.protocol.name": "websocket"})
    if request_id := scope.get("state", {}).get("request_id"):
        span.set({"chorus.request_id": request_id})


def _note(span: Span, message: Message) -> bool:
    """Whether the client was answered by it, to the end."""
    if message["type"] in ("http.response.start", "websocket.http.response.start"):
        status: int = message["status"]
        span.set({"http.response.status_code": status})
        failed_from = _FAILED_FROM if message["type"] == "http.response.start" else _REFUSED_FROM
        if status >= failed_from:
            span.fail(str(status))
    if message["type"] in ("http.response.body", "websocket.http.response.body"):
        return not message.get("more_body", False)
    if message["type"] == "websocket.accept":
        span.set({"http.response.status_code": 101})
    if message["type"] == "websocket.close":
        code: int = message.get("code", _NORMAL_CLOSE)
        span.set({"chorus.close_code": code})
        if code != _NORMAL_CLOSE:
            span.fail(str(code))
        return True
    return False


def _note_close(span: Span, message: Message) -> bool:
    """Whether the client has closed its WebSocket, and was not cut off."""
    code: int = message.get("code", _NO_CODE)
    span.set({"chorus.close_code": code})
    return code != _CUT
