"""What every HTTP exchange passes through, outermost first, as plain ASGI:

RequestId   names the exchange
Lingering   lets a client that is refused early finish speaking, so that it hears why
Admission   refuses what is too much, before its body is read (`admission.door`)
Faults      turns what nobody foresaw into a 500, once logged
"""

import asyncio
import logging
import re
import uuid
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.ingress.problems import INTERNAL

log = logging.getLogger(__name__)

REQUEST_ID_HEADER = "x-request-id"
_SANE_REQUEST_ID = re.compile(r"[!-~]{1,128}")

_LINGER_BYTES = 4 * 1024 * 1024
_LINGER_S = 2.0
"""How much of an unwanted body is read and thrown away, and for how long at most."""


class RequestId:
    """Gives each exchange an `x-request-id`: the client's own where it is sane, else a new one."""

    def __init__(self, app: ASGIApp, *, on_responses: bool) -> None:
        self.app = app
        self.on_responses = on_responses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        request_id = given if _SANE_REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start" and self.on_responses:
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        await self.app(scope, receive, send_named)


class Lingering:
    """Reads on for a while when the answer is out before the body is in.

    Closing a socket that still has bytes to read resets it, and the reset may overtake the answer.
    The whole answer is on its way, and its place free, before the first byte is thrown away.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_sending_body(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        is_speaking, is_unfinished = True, False

        async def listen() -> Message:
            nonlocal is_speaking
            message = await receive()
            is_speaking = is_speaking and message.get("more_body", False)
            return message

        async def send_all_but_the_end(message: Message) -> None:
            nonlocal is_unfinished
            is_last = message["type"] == "http.response.body" and not message.get("more_body")
            if is_last and is_speaking:
                is_unfinished = True
                message = {**message, "more_body": True}
            await send(message)

        async def drain() -> None:
            num_bytes = 0
            with suppress(TimeoutError):
                async with asyncio.timeout(_LINGER_S):
                    while is_speaking and num_bytes < _LINGER_BYTES:
                        num_bytes += len((await listen()).get("body", b""))

        await self.app(scope, listen, send_all_but_the_end)
        if is_unfinished:
            await drain()
            await send({"type": "http.response.body", "body": b"", "more_body": False})


class Faults:
    """The one place that catches everything: logs it with its trace and answers 500."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_answered = False

        async def watched_send(message: Message) -> None:
            nonlocal is_answered
            is_answered = True
            await send(message)

        try:
            await self.app(scope, receive, watched_send)
        except ClientDisconnect:
            log.info("the client left: %s %s", scope["method"], scope["path"])
        except Exception:
            # A wire's edge: whatever it was, the client gets an answer and the log its trace.
            request_id = scope.get("state", {}).get("request_id")
            log.exception("%s %s failed, request %s", scope["method"], scope["path"], request_id)
            if is_answered:
                raise
            await INTERNAL.response(scope["path"])(scope, receive, send)


def _is_sending_body(headers: Headers) -> bool:
    """A client that waits for `100 Continue` sends nothing once it is refused."""
    if "expect" in headers:
        return False
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
