"""The middleware at which an exchange is let in or refused, and watched until it is out."""

import asyncio
import time
from collections.abc import Callable
from contextlib import nullcontext

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.config import LimitsConfig
from serve_app.errors import CapacityError, UploadStalledError
from serve_app.ingress.admission.forecast import Forecast
from serve_app.ingress.admission.gate import Gate, Passage
from serve_app.ingress.forms import FORM_BYTES, brings_audio
from serve_app.ingress.problems import problem_of, refuse

RELIEVING = "/cancel"
"""Ends work, so that it is heard when all is full."""
STORED_PATH = "/transcribe/async"
"""What is uploaded there is stored as it arrives, and waits for no model."""
_STORED_HELD_BYTES = 2 * 1024 * 1024
"""Of such an upload that is in memory at a time."""
_SEND_TIMEOUT_S = 60.0
"""For a client to take the next piece of its answer; one that stalls gives its place up."""


class Admission:
    """A place behind the gate for each upload and each socket; one too many is told so at once.

    A place is held until the last byte of the answer is out. Of HTTP only POST costs one:
    everything else is cheap, and an operator must be able to ask how a full server is.
    """

    def __init__(
        self, app: ASGIApp, *, gate: Gate, forecast: Forecast, limits: LimitsConfig
    ) -> None:
        self.app = app
        self.gate = gate
        self.forecast = forecast
        self.limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_upload = scope["type"] == "http" and scope["method"] == "POST"
        is_upload = is_upload and not scope["path"].endswith(RELIEVING)
        if not is_upload and scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        try:
            if is_upload:
                await self._upload(scope, receive, in_time(send))
            else:
                with self.gate.passage(self.limits.retry_after_s):
                    await self.app(scope, receive, in_time(send))
        except CapacityError as error:
            await refuse(problem_of(error), scope, receive, send)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].endswith(STORED_PATH):
            with self.gate.passage(self.limits.retry_after_s, _STORED_HELD_BYTES) as passage:
                body = Body(receive, passage, self.limits, _nothing, holds=False)
                await self.app(scope, body.receive, send)
            return
        declared = self._declared_bytes(scope)
        has_audio = brings_audio(Headers(scope=scope).get("content-type", ""))
        with (
            self.gate.passage(self.limits.retry_after_s, declared) as passage,
            # What brings no audio waits for no model.
            self.forecast.arriving(declared) if has_audio else nullcontext(_nothing) as has_arrived,
        ):
            body = Body(receive, passage, self.limits, has_arrived)
            await self.app(scope, body.receive, send)

    def _declared_bytes(self, scope: Scope) -> int:
        """The length of the body where it is told; what is above the limit is refused unread."""
        declared = Headers(scope=scope).get("content-length", "")
        if not declared.isdecimal():
            return 0
        return min(int(declared[:20]), self.limits.max_upload_bytes + FORM_BYTES)


class Body:
    """One upload as it arrives: its memory is held, and it may not stall."""

    def __init__(
        self,
        receive: Receive,
        passage: Passage,
        limits: LimitsConfig,
        has_arrived: Callable[[], None],
        holds: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._receive = receive
        self._passage = passage
        self._stall_s = limits.upload_stall_s
        self._min_bytes_per_s = limits.min_upload_bytes_per_s
        self._has_arrived = has_arrived
        self._holds = holds
        self._clock = clock
        self._began_at: float | None = None
        self._num_bytes = 0
        self._is_whole = False

    async def receive(self) -> Message:
        """
        Raises:
            UploadStalledError: the next piece did not arrive in time, or all came too slowly.
            UploadsFullError: there is no memory for more of a body whose length was not told.
        """
        if self._is_whole:  # what comes now is the client's leaving, which may take its time
            return await self._receive()
        try:
            async with asyncio.timeout(self._patience_s()):
                message = await self._receive()
        except TimeoutError as error:
            raise UploadStalledError(self._num_bytes, self._passed_s) from error
        if message["type"] == "http.request":
            self._num_bytes += len(message.get("body", b""))
            self._is_whole = not message.get("more_body", False)
        if self._is_whole:
            self._has_arrived()
        if self._holds:
            self._passage.hold(self._num_bytes)
        return message

    @property
    def _passed_s(self) -> float:
        """Since the body was first asked for."""
        if self._began_at is None:
            self._began_at = self._clock()
        return self._clock() - self._began_at

    def _patience_s(self) -> float:
        """How long the next piece may take. A client has `upload_stall_s` ahead of its rate."""
        due_s = self._stall_s + self._num_bytes / self._min_bytes_per_s
        return max(0.0, min(self._stall_s, due_s - self._passed_s))


def _nothing() -> None:
    pass


def in_time(send: Send) -> Send:
    """`send`, which takes a client that does not listen for one that has left."""

    async def send_in_time(message: Message) -> None:
        try:
            async with asyncio.timeout(_SEND_TIMEOUT_S):
                await send(message)
        except TimeoutError as error:
            raise ClientDisconnect from error

    return send_in_time
