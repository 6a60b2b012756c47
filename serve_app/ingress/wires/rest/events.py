"""One answer, produced while it is sent and stopped when nobody listens: events, or bytes."""

import json
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serve_app.errors import DeadlineExceededError, SpeechError
from serve_app.ingress.presence import while_present
from serve_app.ingress.problems import INTERNAL, Problem, problem_of, told
from serve_app.transcript.render import Json

log = logging.getLogger(__name__)


class ByteStream(Response):
    """Sends each part as soon as there is one.

    The status line waits for the first part, so that what fails before it is an ordinary error;
    what fails after it breaks the connection off, so that nobody takes a part for the whole.
    """

    media_type: str | None = None

    def __init__(
        self, parts: AsyncGenerator[bytes, None], limit_s: float, headers: Mapping[str, str]
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(headers)
        fixed = MutableHeaders(raw=self.raw_headers)
        del fixed["content-length"]
        fixed["cache-control"] = "no-cache"
        fixed["x-accel-buffering"] = "no"
        self.parts = parts
        self.limit_s = limit_s
        self.has_begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await while_present(receive, self._send_all(send), self.limit_s)
        except DeadlineExceededError as error:
            await self._fail(send, error, problem_of(error))
        await self._begin(send)  # of nothing at all
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_all(self, send: Send) -> None:
        async with aclosing(self.parts) as parts:
            try:
                async for part in parts:
                    await self._send(send, part)
            except SpeechError as error:
                await self._fail(send, error, problem_of(error))
            except ClientDisconnect:  # it takes nothing any more, which is no failure of ours
                raise
            except Exception as error:
                # A wire's edge: the status line may be out, and then it is all that can be said.
                log.exception("a streamed answer failed")
                await self._fail(send, error, INTERNAL)

    async def _fail(self, send: Send, error: Exception, problem: Problem) -> None:
        if not self.has_begun:
            raise error
        told(problem)
        raise BrokenOffError(problem.code) from error

    async def _begin(self, send: Send) -> None:
        if self.has_begun:
            return
        self.has_begun = True
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )

    async def _send(self, send: Send, part: bytes) -> None:
        await self._begin(send)
        await send({"type": "http.response.body", "body": part, "more_body": True})


class BrokenOffError(Exception):
    """An answer that ended before its end; its client sees the connection break."""


class EventStream(ByteStream):
    """Server-sent events. What fails after the first becomes an `error` event, the last one."""

    media_type = "text/event-stream"

    def __init__(
        self, events: AsyncGenerator[str, None], limit_s: float, headers: Mapping[str, str]
    ) -> None:
        super().__init__(_encoded(events), limit_s, headers)

    async def _fail(self, send: Send, error: Exception, problem: Problem) -> None:
        if not self.has_begun:
            raise error
        event = event_of({"type": "error", **told(problem).body()}, name="error")
        await self._send(send, event.encode())


async def _encoded(events: AsyncGenerator[str, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(events):
        async for event in events:
            yield event.encode()


def event_of(data: Mapping[str, Json], *, name: str | None = None) -> str:
    """One event, with its JSON on one line."""
    head = "" if name is None else f"event: {name}\n"
    return f"{head}data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"
