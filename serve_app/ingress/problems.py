"""An error of the server, in; what each wire says of it, out, by one table.

Also what is no `SpeechError`: unknown paths and methods, and failures that nobody foresaw.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from serve_app.errors import CapacityError, DeadlineExceededError, ErrorCode, SpeechError

RETRY_AFTER_S = 1.0
"""Where the error itself does not say."""

_INVALID = "invalid_request_error"
_RATE = "rate_limit_error"
_SERVER = "server_error"


@dataclass(frozen=True, slots=True)
class WireStatus:
    """How the wires name one kind of error."""

    http_status: int
    openai_type: str
    ws_close: int
    """WebSocket close code, RFC 6455 §7.4.1 and IANA's registry."""
    grpc_status: str
    """Name of a `grpc.StatusCode`."""


TABLE: Mapping[ErrorCode, WireStatus] = {
    ErrorCode.INVALID_OPTION: WireStatus(400, _INVALID, 1008, "INVALID_ARGUMENT"),
    ErrorCode.UNSUPPORTED_OPTION: WireStatus(400, _INVALID, 1008, "INVALID_ARGUMENT"),
    ErrorCode.MODEL_NOT_FOUND: WireStatus(404, _INVALID, 1008, "NOT_FOUND"),
    ErrorCode.UNSUPPORTED_LANGUAGE: WireStatus(400, _INVALID, 1008, "INVALID_ARGUMENT"),
    ErrorCode.UNSUPPORTED_TRANSLATION: WireStatus(400, _INVALID, 1008, "INVALID_ARGUMENT"),
    ErrorCode.EMPTY_AUDIO: WireStatus(400, _INVALID, 1007, "INVALID_ARGUMENT"),
    ErrorCode.UNDECODABLE_AUDIO: WireStatus(400, _INVALID, 1007, "INVALID_ARGUMENT"),
    ErrorCode.UNSUPPORTED_FORMAT: WireStatus(415, _INVALID, 1003, "INVALID_ARGUMENT"),
    ErrorCode.AUDIO_TOO_LONG: WireStatus(413, _INVALID, 1009, "INVALID_ARGUMENT"),
    ErrorCode.UPLOAD_TOO_LARGE: WireStatus(413, _INVALID, 1009, "INVALID_ARGUMENT"),
    ErrorCode.UPLOAD_TIMEOUT: WireStatus(408, _INVALID, 1008, "DEADLINE_EXCEEDED"),
    ErrorCode.AT_CAPACITY: WireStatus(429, _RATE, 1013, "RESOURCE_EXHAUSTED"),
    ErrorCode.UPLOADS_FULL: WireStatus(503, _SERVER, 1013, "RESOURCE_EXHAUSTED"),
    ErrorCode.SHUTTING_DOWN: WireStatus(503, _SERVER, 1012, "UNAVAILABLE"),
    ErrorCode.MODEL_UNAVAILABLE: WireStatus(503, _SERVER, 1013, "UNAVAILABLE"),
    ErrorCode.DEADLINE_EXCEEDED: WireStatus(503, _SERVER, 1013, "DEADLINE_EXCEEDED"),
    ErrorCode.ENGINE_FAILED: WireStatus(500, _SERVER, 1011, "INTERNAL"),
    ErrorCode.JOB_NOT_FOUND: WireStatus(404, _INVALID, 1008, "NOT_FOUND"),
    ErrorCode.JOB_NOT_FINISHED: WireStatus(400, _INVALID, 1008, "FAILED_PRECONDITION"),
    ErrorCode.JOB_ENDED: WireStatus(400, _INVALID, 1008, "FAILED_PRECONDITION"),
    ErrorCode.JOBS_UNAVAILABLE: WireStatus(503, _SERVER, 1013, "UNAVAILABLE"),
    ErrorCode.IDEMPOTENCY_CONFLICT: WireStatus(409, _INVALID, 1008, "ALREADY_EXISTS"),
    ErrorCode.INVALID_MESSAGE: WireStatus(400, _INVALID, 1007, "INVALID_ARGUMENT"),
    ErrorCode.STREAM_IDLE: WireStatus(408, _INVALID, 1008, "DEADLINE_EXCEEDED"),
    ErrorCode.STREAM_OVERRUN: WireStatus(413, _INVALID, 1009, "RESOURCE_EXHAUSTED"),
    ErrorCode.INVALID_API_KEY: WireStatus(401, _INVALID, 1008, "UNAUTHENTICATED"),
    ErrorCode.ORIGIN_REFUSED: WireStatus(403, _INVALID, 1008, "PERMISSION_DENIED"),
    ErrorCode.REQUEST_LIMIT: WireStatus(429, _RATE, 1013, "RESOURCE_EXHAUSTED"),
    ErrorCode.AUDIO_LIMIT: WireStatus(429, _RATE, 1013, "RESOURCE_EXHAUSTED"),
    ErrorCode.STREAM_LIMIT: WireStatus(429, _RATE, 1013, "RESOURCE_EXHAUSTED"),
}
"""A deadline is 503, not 504: by 504 proxies mean their own time limits; clients retry both."""

_HTTP_CODES: Mapping[int, str] = {404: "not_found", 405: "method_not_allowed"}


class AsciiJSONResponse(JSONResponse):
    """JSON that can always be sent: what a message quotes of a client need not be whole text."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as the HTTP wires say it."""

    status: int
    type: str
    message: str
    code: str
    param: str | None = None
    retry_after_s: float | None = None
    ws_close: int = 1011
    """The code that a WebSocket is closed with."""

    def body(self) -> dict[str, dict[str, str | None]]:
        """OpenAI's error shape."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }

    def headers(self) -> dict[str, str]:
        """`Retry-After` in whole seconds, rounded up, where trying again helps; how to name
        oneself, where a key is missing (RFC 9110 §11.6.1)."""
        if self.status == 401:
            return {"WWW-Authenticate": "Bearer"}
        if self.retry_after_s is None:
            return {}
        return {"Retry-After": str(max(1, math.ceil(self.retry_after_s)))}

    def response(self, path: str) -> JSONResponse:
        """The answer on `path`; outside of `/v1/` with FastAPI's `detail` as well."""
        told(self)
        detail = {} if path.startswith("/v1/") else {"detail": self.message}
        return AsciiJSONResponse(
            {**self.body(), **detail}, status_code=self.status, headers=self.headers()
        )


def _uncounted(code: str) -> None:
    pass


_count: Callable[[str], object] = _uncounted


def count_told(count: Callable[[str], object]) -> None:
    """From now on have this process tell `count` the code of each error that it tells a client."""
    global _count
    _count = count


def told(problem: Problem) -> Problem:
    """The same, counted: for who tells it otherwise than by `response` and `refuse`."""
    _count(problem.code)
    return problem


INTERNAL = Problem(
    status=500,
    type=_SERVER,
    message="the server failed; its log has the reason under this request's x-request-id",
    code="internal_error",
)


def problem_of(error: SpeechError) -> Problem:
    status = TABLE[error.code]
    retry_after_s: float | None = None
    if isinstance(error, CapacityError):
        retry_after_s = error.retry_after_s
    elif isinstance(error, DeadlineExceededError):
        retry_after_s = RETRY_AFTER_S
    return Problem(
        status=status.http_status,
        type=status.openai_type,
        message=str(error),
        code=error.code.value,
        param=error.param,
        retry_after_s=retry_after_s,
        ws_close=status.ws_close,
    )


def failure_of(error: SpeechError) -> Problem:
    """Of an utterance: it has no fields, whatever is named by the request that it became."""
    return replace(problem_of(error), param=None)


def problem_of_http(error: HTTPException) -> Problem:
    """Of what the router itself refuses: an unknown path, a method that a path does not have."""
    return Problem(
        status=error.status_code,
        type=_SERVER if error.status_code >= 500 else _INVALID,
        message=str(error.detail),
        code=_HTTP_CODES.get(error.status_code, f"http_{error.status_code}"),
        retry_after_s=RETRY_AFTER_S if error.status_code == 503 else None,
        ws_close=1011 if error.status_code >= 500 else 1008,
    )


def route_path(scope: Scope) -> str:
    """The path below the prefix that the server is mounted at."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"


async def refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Say why: as an answer, which a socket gets in place of its handshake where that is known
    to work (ASGI's `websocket.http.response`), and else as the code that it is closed with."""
    if scope["type"] == "websocket":
        await receive()  # its `websocket.connect`
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            reason = told(problem).code
            await send({"type": "websocket.close", "code": problem.ws_close, "reason": reason})
            return
    await problem.response(route_path(scope))(scope, receive, send)
