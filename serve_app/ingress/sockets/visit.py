"""One client from the moment that it is let in: heard and told until either side ends it.

```
client ──inbox──▶ wire.hear ──feed──▶ session ──events──▶ wire.tell ──▶ client
```
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocketDisconnect

from serve_app.config import StreamsConfig
from serve_app.errors import (
    AudioTooLongError,
    DeadlineExceededError,
    ShuttingDownError,
    SpeechError,
    StreamIdleError,
)
from serve_app.ingress.problems import INTERNAL, Problem, problem_of, told
from serve_app.ingress.sockets.connection import Connection
from serve_app.ingress.sockets.inbox import Heard
from serve_app.ingress.sockets.stream import Stream

log = logging.getLogger(__name__)

_LAST_WORDS_S = 60.0
"""For the rest of a stream to be told, once its client has said that it was all; and the stream's
own patience with its model."""
_PARTING_S = 10.0
"""The same, where the server is being stopped."""
_CLOSE_TIMEOUT_S = 5.0

LEFT = (ClientDisconnect, WebSocketDisconnect, ConnectionError)
"""How it shows that the client has left."""


E = TypeVar("E")
E_contra = TypeVar("E_contra", contravariant=True)


class Wire(Protocol[E_contra]):
    """One protocol's side of one visit."""

    @property
    def resumes(self) -> bool:
        """Whether the client has kept what it would say again elsewhere."""
        ...

    async def begin(self) -> None:
        """What the server says first."""
        ...

    async def hear(self, message: Heard) -> bool:
        """Take a message; False if it was the client's last.

        Raises:
            SpeechError: it ends the visit.
        """
        ...

    async def tell(self, event: E_contra) -> None:
        """Say what has been heard."""
        ...

    async def complain(self, problem: Problem) -> None:
        """Say why the visit ends, in the protocol's own words."""
        ...


@dataclass(frozen=True, slots=True)
class Closing:
    """When the server is being stopped, and what its clients are told of it."""

    event: asyncio.Event
    retry_after_s: float


class Pace:
    """Whether a client sends its audio at least as fast as it must."""

    def __init__(self, streams: StreamsConfig) -> None:
        self.streams = streams
        """What the stream may cost; a conversation knows that once it has begun."""
        self._waited_s = 0.0
        self._fed_before_s = 0.0

    def check(self, waited_s: float, fed_s: float) -> None:
        """Count a wait for the client; `fed_s` is all the audio that it has sent by now.

        Only those waits count: who is held up by the server is not slow.

        Raises:
            StreamIdleError: it is too slow.
        """
        self._waited_s += waited_s
        if self._waited_s < self.streams.idle_timeout_s:
            return
        if fed_s - self._fed_before_s < self.streams.min_pace * self._waited_s:
            raise StreamIdleError(self._waited_s)
        self._waited_s, self._fed_before_s = 0.0, fed_s


class Visit(Generic[E]):
    """One client from the moment that it is let in."""

    def __init__(
        self,
        connection: Connection,
        stream: Stream[Any, Any, E],
        wire: Wire[E],
        closing: Closing,
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._wire = wire
        self._closing = closing
        self._is_busy = False
        self._is_parting = False

    async def run(self) -> str:
        """Listen and tell to the end, and say why it is one; the close code, or `left`."""
        try:
            problem = await self._problem()
            code = 1000 if problem is None else problem.ws_close
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                if problem is not None:
                    await self._wire.complain(told(problem))
                await self._connection.close(code, "" if problem is None else problem.code)
        except (*LEFT, TimeoutError):
            return "left"
        return str(code)

    async def _problem(self) -> Problem | None:
        try:
            await self._wire.begin()
            await self._converse()
        except SpeechError as error:
            return problem_of(error)
        except LEFT:
            raise
        except Exception:
            # A wire's edge: the log has why, and the client a code.
            log.exception("a live stream failed")
            return INTERNAL
        return None

    async def _converse(self) -> None:
        """
        Raises:
            SpeechError: why it ends, where that is not the client's own wish, or is in vain.
            ClientDisconnect: the client has left.
        """
        hearing = asyncio.create_task(self._hear())
        telling = asyncio.create_task(self._tell())
        leaving = asyncio.create_task(self._connection.left())
        closing = asyncio.create_task(self._closing.event.wait())
        refused = asyncio.create_task(self._stream.refused())
        tasks = {hearing, telling, leaving, closing, refused}
        try:
            await asyncio.wait(tasks, return_when="FIRST_COMPLETED")
            error = _end_of(hearing, telling, leaving)
            if error is None and not hearing.done():
                error = ShuttingDownError(self._closing.retry_after_s)
                if refused.done():
                    error = refused.result()
                await self._stop(hearing)
            if not (self._wire.resumes and isinstance(error, ShuttingDownError)):
                is_stopped = isinstance(error, ShuttingDownError)
                within_s = _PARTING_S if is_stopped else _LAST_WORDS_S + self._stream.patience_s
                if not await self._finish(telling, leaving, within_s) and error is None:
                    raise DeadlineExceededError(within_s)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if error is not None:
            raise error

    async def _hear(self) -> None:
        is_more = True
        pace = Pace(self._stream.limits)
        while is_more and not self._is_parting:
            message = await self._connection.receive(self._stream.limits.idle_timeout_s)
            waited_s = self._connection.waited_s
            self._stream.arrived_at = self._connection.arrived_at
            self._is_busy = True
            is_more = await self._wire.hear(message)
            self._is_busy = False
            if is_more:
                pace.streams = self._stream.limits
                pace.check(waited_s, self._stream.fed_s)

    async def _tell(self) -> None:
        async for event in self._stream.events():
            await self._wire.tell(event)

    async def _stop(self, hearing: asyncio.Task[None]) -> None:
        """Hear nothing more; a message of which a part was fed is fed whole."""
        self._is_parting = True
        if self._is_busy:
            await asyncio.wait({hearing}, timeout=_PARTING_S)
        hearing.cancel()

    async def _finish(
        self, telling: asyncio.Task[None], leaving: asyncio.Task[Exception], within_s: float
    ) -> bool:
        """Tell the rest of what was heard, while the client is there; False if it took too long.

        Raises:
            ClientDisconnect: the client has left.
            SpeechError: what ended the stream.
        """
        finishing = asyncio.create_task(self._stream.finish())
        try:
            await asyncio.wait({telling, leaving}, timeout=within_s, return_when="FIRST_COMPLETED")
            if telling.done():
                telling.result()
                return True
            if leaving.done():
                raise leaving.result()
            return False
        finally:
            finishing.cancel()
            await asyncio.gather(finishing, return_exceptions=True)


def _end_of(
    hearing: asyncio.Task[None], telling: asyncio.Task[None], leaving: asyncio.Task[Exception]
) -> SpeechError | None:
    """Why the conversation ends, where what was heard before is still to be told.

    Raises:
        Exception: why it ends at once.
    """
    if telling.done():
        telling.result()
    if leaving.done():
        raise leaving.result()
    if hearing.done():
        try:
            hearing.result()
        except (StreamIdleError, AudioTooLongError) as error:
            return error
    return None
