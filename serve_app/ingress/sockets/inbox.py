"""What a client sends, in; its messages one by one, out, with a bound on those that wait.

Ray Serve reads a client's socket as fast as it can and keeps what comes, without a bound: only who
reads at once can tell how much it is. So everything is read at once, here, and counted.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

from starlette.requests import ClientDisconnect
from starlette.types import Message

from serve_app.errors import SpeechError, StreamIdleError, StreamOverrunError, UploadsFullError

MAX_UNREAD_BYTES = 32 * 1024 * 1024
"""Of one client: a quarter of an hour of PCM at 16 kHz."""
_MODEST_BYTES = 1024 * 1024
"""Half a minute. Who holds no more is refused nothing, whatever the others hold."""
_MESSAGE_BYTES = 200
"""What a message costs besides its content."""
_RETRY_AFTER_S = 5.0
_LOOK_EVERY_S = 1.0
"""While a client says nothing, whether something is owed to it."""

Heard: TypeAlias = str | bytes


class Unread:
    """What all clients of one ingress have sent and nobody has heard."""

    def __init__(self, max_bytes: float) -> None:
        self.max_bytes = max_bytes
        self.num_bytes = 0


class Inbox:
    """The messages of one client. `is_owing` says whether the next word is the server's own: who
    waits for that is not idle."""

    def __init__(
        self,
        receive: Callable[[], Awaitable[Message]],
        unread: Unread,
        *,
        idle_timeout_s: float,
        is_owing: Callable[[], bool],
    ) -> None:
        self._receive = receive
        self._unread = unread
        self.idle_timeout_s = idle_timeout_s
        """It may change between two messages."""
        self._is_owing = is_owing
        self.waited_s = 0.0
        """For the newest message, since nothing was owed any more."""
        self.arrived_at = 0.0
        """When the newest message did, by `time.monotonic`; it may have waited since."""
        self._messages: deque[tuple[Heard, float]] = deque()
        self._num_bytes = 0
        self._end: Exception | None = None
        self._arrived = asyncio.Event()
        self._has_ended = asyncio.Event()

    async def fill(self) -> None:
        """Read until the client leaves, or more waits than may."""
        while self._end is None:
            try:
                message = await self._receive()
            except Exception as error:
                # Whatever the server below has: it reaches who reads next, and is told there.
                self._end = error
                break
            if message["type"] == "websocket.disconnect":
                self._end = ClientDisconnect()
                break
            text = message.get("text")
            heard: Heard = message.get("bytes") or b"" if text is None else text
            self._end = self._hold(len(heard) + _MESSAGE_BYTES)
            self._messages.append((heard, time.monotonic()))
            self._arrived.set()
        self._arrived.set()
        self._has_ended.set()

    async def next(self) -> Heard:
        """
        Raises:
            ClientDisconnect: the client has left; what it sent last is not heard any more.
            StreamIdleError: nothing came in time.
            StreamOverrunError: more waits than may.
            UploadsFullError: this and what other clients sent fills the memory for it.
        """
        self.waited_s = 0.0
        while self._end is None and not self._messages:
            if self.waited_s >= self.idle_timeout_s:
                raise StreamIdleError(self.idle_timeout_s)
            await self._wait(min(_LOOK_EVERY_S, self.idle_timeout_s - self.waited_s))
        if self._end is not None:
            raise self._end
        heard, self.arrived_at = self._messages.popleft()
        self._let_go(len(heard) + _MESSAGE_BYTES)
        return heard

    async def left(self) -> Exception:
        """Why nothing comes any more, once that is so; `next` would raise it."""
        await self._has_ended.wait()
        assert self._end is not None
        return self._end

    def forget(self) -> None:
        """Let go of what nobody will hear."""
        self._messages.clear()
        self._let_go(self._num_bytes)

    async def _wait(self, limit_s: float) -> None:
        began_at = time.monotonic()
        self._arrived.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._arrived.wait()
        self.waited_s += time.monotonic() - began_at
        if self._is_owing():
            self.waited_s = 0.0

    def _hold(self, num_bytes: int) -> SpeechError | None:
        self._num_bytes += num_bytes
        self._unread.num_bytes += num_bytes
        if self._num_bytes > MAX_UNREAD_BYTES:
            return StreamOverrunError(MAX_UNREAD_BYTES)
        if self._num_bytes > _MODEST_BYTES and self._unread.num_bytes > self._unread.max_bytes:
            return UploadsFullError(num_bytes, _RETRY_AFTER_S)
        return None

    def _let_go(self, num_bytes: int) -> None:
        self._num_bytes -= num_bytes
        self._unread.num_bytes -= num_bytes
