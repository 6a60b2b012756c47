"""One WebSocket: let in or denied, read through its inbox, written, closed with a code."""

import asyncio
import json
from collections.abc import Callable, Mapping

from starlette.datastructures import Headers
from starlette.websockets import WebSocket

from serve_app.errors import MessageError
from serve_app.ingress.auth.door import SUBPROTOCOLS
from serve_app.ingress.problems import Problem, refuse
from serve_app.ingress.sockets.inbox import Heard, Inbox, Unread
from serve_app.transcript.render import Json

LARGE_CHARACTERS = 256 * 1024
"""Longer texts are parsed in a thread, or the other streams would feel it."""


class Connection:
    """What a wire sees of a socket. Nothing of it waits for ever: see `Inbox` and `in_time`."""

    def __init__(
        self,
        websocket: WebSocket,
        unread: Unread,
        *,
        idle_timeout_s: float,
        is_owing: Callable[[], bool],
    ) -> None:
        self._websocket = websocket
        self._inbox = Inbox(
            websocket.receive, unread, idle_timeout_s=idle_timeout_s, is_owing=is_owing
        )
        self._reading: asyncio.Task[None] | None = None
        self.left = self._inbox.left

    async def receive(self, idle_timeout_s: float) -> Heard:
        """See `Inbox.next`."""
        self._inbox.idle_timeout_s = idle_timeout_s
        return await self._inbox.next()

    @property
    def waited_s(self) -> float:
        """See `Inbox.waited_s`."""
        return self._inbox.waited_s

    @property
    def arrived_at(self) -> float:
        """See `Inbox.arrived_at`."""
        return self._inbox.arrived_at

    @property
    def headers(self) -> Headers:
        """Of the handshake."""
        return self._websocket.headers

    async def deny(self, problem: Problem) -> None:
        """Answer the handshake with an error."""
        await refuse(problem, self._websocket.scope, self._websocket.receive, self._websocket.send)

    async def accept(self, headers: Mapping[str, str]) -> None:
        """Let the client in, and begin to read."""
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        offered = self._websocket.scope.get("subprotocols") or ()
        await self._websocket.accept(subprotocol_of(offered), raw)
        self._reading = asyncio.create_task(self._inbox.fill())

    async def send(self, message: Mapping[str, Json]) -> None:
        """
        Raises:
            ClientDisconnect: the client has left, or does not read.
            WebSocketDisconnect: the same.
        """
        await self._websocket.send_text(json.dumps(message, separators=(",", ":")))

    async def send_bytes(self, data: bytes) -> None:
        """Raises as `send` does."""
        await self._websocket.send_bytes(data)

    async def close(self, code: int, reason: str) -> None:
        """Say that it is over; `reason` in at most 123 bytes."""
        await self._websocket.close(code, reason)

    async def give_up(self) -> None:
        """Read no more, and forget what was read."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        self._inbox.forget()


def subprotocol_of(offered: list[str] | tuple[str, ...]) -> str | None:
    """The one to answer with: browsers want one of those that they offered. Never a key."""
    named = [name for name in offered if not name.startswith(SUBPROTOCOLS)]
    if "realtime" in named:
        return "realtime"
    return named[0] if named else None


def query_of(websocket: WebSocket) -> dict[str, str]:
    """The last value of each name."""
    return {name: value.strip() for name, value in websocket.query_params.multi_items()}


async def json_of(text: str) -> dict[str, object]:
    """A message that is a JSON object.

    Raises:
        MessageError: it is none.
    """
    try:
        if len(text) > LARGE_CHARACTERS:
            message = await asyncio.to_thread(json.loads, text)
        else:
            message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MessageError("the message is no JSON") from error
    if not isinstance(message, dict):
        raise MessageError("the message is no JSON object")
    return message
