"""What every HTTP exchange passes through, outermost first, as plain ASGI:

RequestId   names the exchange
Lingering   lets a client that is refused early finish speaking, so that it hears why
Admission   refuses what is too much, before its body is read
Faults      turns what nobody foresaw into a 500, once logged
"""

import asyncio
import logging
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.errors import AtCapacityError, CapacityError, ShuttingDownError
from serve_app.ingress.problems import INTERNAL, problem_of

log = logging.getLogger(__name__)

REQUEST_ID_HEADER = "x-request-id"
_SANE_REQUEST_ID = re.compile(r"[!-~]{1,128}")

_LINGER_BYTES = 4 * 1024 * 1024
_LINGER_S = 2.0
"""How much of an unwanted body is read and thrown away, and for how long at most."""

_SEND_TIMEOUT_S = 60.0
"""For a client to take the next piece of its answer; one that stalls gives its place up."""


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
    The whole answer is on its way before the first byte is thrown away.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_sending_body(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        is_speaking = True

        async def listen() -> Message:
            nonlocal is_speaking
            message = await receive()
            is_speaking = is_speaking and message.get("more_body", False)
            return message

        async def send_then_linger(message: Message) -> None:
            is_last = message["type"] == "http.response.body" and not message.get("more_body")
            if is_last and is_speaking:
                await send({**message, "more_body": True})
                await drain()
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        async def drain() -> None:
            num_bytes = 0
            try:
                async with asyncio.timeout(_LINGER_S):
                    while is_speaking and num_bytes < _LINGER_BYTES:
                        num_bytes += len((await listen()).get("body", b""))
            except TimeoutError:
                pass

        await self.app(scope, listen, send_then_linger)


class Gate:
    """How many uploads are inside, and whether more may come in."""

    def __init__(self, max_inside: int) -> None:
        self.max_inside = max_inside
        self.num_inside = 0
        self.is_open = True
        self._left = asyncio.Event()

    @contextmanager
    def passage(self, retry_after_s: float) -> Iterator[None]:
        """Hold a place.

        Raises:
            ShuttingDownError: the gate is closed.
            AtCapacityError: all places are taken.
        """
        if not self.is_open:
            raise ShuttingDownError(retry_after_s)
        if self.num_inside >= self.max_inside:
            raise AtCapacityError(f"{self.max_inside} requests in flight", retry_after_s)
        self.num_inside += 1
        try:
            yield
        finally:
            self.num_inside -= 1
            self._left.set()

    async def close(self, timeout_s: float) -> None:
        """Let nobody in any more, and wait until all are out, for `timeout_s` at most."""
        self.is_open = False
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.num_inside:
                    self._left.clear()
                    await self._left.wait()


class Admission:
    """A place behind the gate for each upload; one too many hears "at capacity" at once.

    A place is held until the last byte of the answer is out. Only POST costs one: everything else
    is cheap, and an operator must be able to ask how a full server is.
    """

    def __init__(self, app: ASGIApp, *, gate: Gate, retry_after_s: float) -> None:
        self.app = app
        self.gate = gate
        self.retry_after_s = retry_after_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return

        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(_SEND_TIMEOUT_S):
                    await send(message)
            except TimeoutError as error:
                raise ClientDisconnect from error

        try:
            with self.gate.passage(self.retry_after_s):
                await self.app(scope, receive, send_in_time)
        except CapacityError as error:
            await problem_of(error).response(scope["path"])(scope, receive, send)


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
