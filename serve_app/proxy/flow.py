"""A body as fast as its client sends it → as fast as it is fetched, and little of it in between.

Ray's proxy reads a body as it comes, and keeps what its replica has not fetched yet, however much
that is.
"""

import asyncio
import weakref
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

MAX_AHEAD_BYTES = 4 * 1024 * 1024
"""Of one body."""


class BodyFlow:
    """Reads no more of a body while Ray holds `MAX_AHEAD_BYTES` of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            receive = _Held(receive).receive
        await self._app(scope, receive, send)


class _Piece(dict[str, Any]):
    """A message of which it can be told when nobody has it any more. Sent on, it is a plain one."""

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (dict(self),)


class _Held:
    """The messages of one request that are in Ray's hands."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._num_bytes = 0
        self._has_room = asyncio.Event()

    async def receive(self) -> _Piece:
        while self._num_bytes >= MAX_AHEAD_BYTES:
            self._has_room.clear()
            await self._has_room.wait()
        piece = _Piece(await self._receive())
        if num_bytes := len(piece.get("body", b"")):
            self._num_bytes += num_bytes
            weakref.finalize(piece, self._let_go, num_bytes).atexit = False
        return piece

    def _let_go(self, num_bytes: int) -> None:
        self._num_bytes -= num_bytes
        self._has_room.set()
