"""Server-sent events of one answer: produced while they are sent, stopped when nobody listens."""

import json
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serve_app.errors import DeadlineExceededError, SpeechError
from serve_app.ingress.presence import while_present
from serve_app.ingress.problems import INTERNAL, Problem, problem_of, told
from serve_app.transcript.render import Json

log = logging.getLogger(__name__)


class EventStream(Response):
    """Sends each event as soon as there is one.

    The status line waits for the first event, so that what fails before it is an ordinary error;
    what fails after it becomes an `error` event, the last one.
    """

    media_type = "text/event-stream"

    def __init__(
        self, events: AsyncGenerator[str, None], limit_s: float, headers: Mapping[str, str]
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(headers)
        fixed = MutableHeaders(raw=self.raw_headers)
        del fixed["content-length"]
        fixed["cache-control"] = "no-cache"
        fixed["x-accel-buffering"] = "no"
        self.events = events
        self.limit_s = limit_s
        self.has_begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await while_present(receive, self._send_all(send), self.limit_s)
        except DeadlineExceededError as error:
            await self._fail(send, error, problem_of(error))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_all(self, send: Send) -> None:
        async with aclosing(self.events) as events:
            try:
                async for event in events:
                    await self._send(send, event)
            except SpeechError as error:
                await self._fail(send, error, problem_of(error))
            except Exception as error:
                # A wire's edge: the status line is out, so the event is all that can be said.
                log.exception("a stream of events failed")
                await self._fail(send, error, INTERNAL)

    async def _fail(self, send: Send, error: Exception, problem: Problem) -> None:
        if not self.has_begun:
            raise error
        await self._send(send, event_of({"type": "error", **told(problem).body()}, name="error"))

    async def _send(self, send: Send, event: str) -> None:
        if not self.has_begun:
            self.has_begun = True
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
        await send({"type": "http.response.body", "body": event.encode(), "more_body": True})


def event_of(data: Mapping[str, Json], *, name: str | None = None) -> str:
    """One event, with its JSON on one line."""
    head = "" if name is None else f"event: {name}\n"
    return f"{head}data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"
