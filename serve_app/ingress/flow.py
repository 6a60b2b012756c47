"""A body as fast as Serve's proxy has it → as fast as it is read, and little of it in between.

A replica fetches what its proxy has as soon as it is there, and keeps what nobody has read yet,
however much that is.
"""

import asyncio
from typing import Any

from starlette.types import Message, Receive

MAX_AHEAD_BYTES = 4 * 1024 * 1024
"""Of one body; beyond it, nothing more is fetched. The proxy holds as much again."""
_FETCH = "_receive_asgi_messages"


def held_back(receive: Receive) -> Receive:
    """`receive`, which fetches no more while much is unread. Only Serve's own fetches by itself;
    others stay as they are."""
    return _Unread(receive).receive if hasattr(receive, _FETCH) else receive


class _Unread:
    """What of one request is fetched and not read."""

    def __init__(self, receive: Any) -> None:
        self._receive = receive
        self._fetch = getattr(receive, _FETCH)
        self._num_bytes = 0
        self._has_room = asyncio.Event()
        setattr(receive, _FETCH, self._fetched)

    async def _fetched(self, metadata: object) -> bytes:
        while self._num_bytes >= MAX_AHEAD_BYTES:
            self._has_room.clear()
            await self._has_room.wait()
        messages: bytes = await self._fetch(metadata)
        self._num_bytes += len(messages)
        return messages

    async def receive(self) -> Message:
        message: Message = await self._receive()
        self._num_bytes -= len(message.get("body", b""))
        if self._receive.queue.empty():
            self._num_bytes = 0  # what is around the bodies counted, too
        self._has_room.set()
        return message
