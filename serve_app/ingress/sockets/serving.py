"""A WebSocket and a wire, in; the client let in or denied, and its whole visit, out."""

import logging
from collections.abc import Callable
from typing import Protocol

from starlette.websockets import WebSocket

from serve_app.config import ServerConfig
from serve_app.errors import AtCapacityError, SpeechError
from serve_app.ingress.admission.gate import Gate
from serve_app.ingress.backend import Backend
from serve_app.ingress.problems import INTERNAL, problem_of
from serve_app.ingress.served import ServedModels
from serve_app.ingress.sockets.asked import Asked
from serve_app.ingress.sockets.connection import Connection
from serve_app.ingress.sockets.inbox import Unread
from serve_app.ingress.sockets.stream import Stream
from serve_app.ingress.sockets.visit import LEFT, Closing, Visit, Wire
from serve_app.ingress.wires.rest.answers import headers_of

log = logging.getLogger(__name__)

_DENY_WITHIN_S = 2.0
"""A slot that is there, or is not, so soon is heard of in the handshake; clients give that 10 s.
A model that starts from nothing takes longer: its clients are let in, and may speak."""


class Tally(Protocol):
    """What is counted of the streams, by their route."""

    def opened(self, route: str) -> None:
        """A client was let in."""

    def ended(self, route: str) -> None:
        """Its visit is over."""

    def closed(self, route: str, code: str) -> None:
        """By the close code; `denied`, or `left` where the client was faster."""

    def heard(self, route: str, audio_s: float) -> None:
        """Audio of a stream."""


class Uncounted:
    """A `Tally` that nobody reads."""

    def opened(self, route: str) -> None:
        return

    def ended(self, route: str) -> None:
        return

    def closed(self, route: str, code: str) -> None:
        return

    def heard(self, route: str, audio_s: float) -> None:
        return


class Sockets:
    """All live streams of one ingress."""

    def __init__(
        self, config: ServerConfig, backend: Backend, gate: Gate, tally: Tally | None = None
    ) -> None:
        self.config = config
        self.served = ServedModels(config)
        self._backend = backend
        self._gate = gate
        self._unread = Unread(config.limits.max_upload_memory_bytes)
        self._tally = tally or Uncounted()
        self._num_inside = 0

    async def serve(
        self,
        websocket: WebSocket,
        route: str,
        ask: Callable[[], Asked],
        new_wire: Callable[[Connection, Stream], Wire],
    ) -> None:
        """Let the client in and hold its stream until either side ends it.

        `route` is its name among the metrics; `ask` raises what the handshake is denied with.
        """
        streams = self.config.streams
        stream = Stream(
            self._backend.stream_host,
            streams,
            lambda audio_s: self._tally.heard(route, audio_s),
        )
        connection = Connection(
            websocket,
            self._unread,
            idle_timeout_s=streams.idle_timeout_s,
            is_owing=lambda: stream.is_owing,
        )
        code = "left"
        try:
            code = await self._visit(connection, stream, route, ask, new_wire)
        except LEFT:
            log.info("the client left as it came: %s", route)
        finally:
            try:
                self._tally.closed(route, code)
                await connection.give_up()
            finally:
                await stream.close()

    async def _visit(
        self,
        connection: Connection,
        stream: Stream,
        route: str,
        ask: Callable[[], Asked],
        new_wire: Callable[[Connection, Stream], Wire],
    ) -> str:
        if self._num_inside >= self.config.streams.max_per_ingress:
            await connection.deny(problem_of(self._full()))
            return "denied"
        self._num_inside += 1
        try:
            asked = await _admitted(connection, stream, ask)
            if asked is None:
                return "denied"
            return await self._hold(connection, stream, route, asked, new_wire)
        finally:
            self._num_inside -= 1

    async def _hold(
        self,
        connection: Connection,
        stream: Stream,
        route: str,
        asked: Asked,
        new_wire: Callable[[Connection, Stream], Wire],
    ) -> str:
        wire = new_wire(connection, stream)
        await connection.accept(headers_of(asked.model))
        closing = Closing(self._gate.closing, self.config.limits.retry_after_s)
        self._tally.opened(route)
        try:
            return await Visit(connection, stream, wire, closing, self.config.streams).run()
        finally:
            self._tally.ended(route)

    def _full(self) -> AtCapacityError:
        what = f"{self.config.streams.max_per_ingress} live streams in this ingress"
        return AtCapacityError(what, self.config.limits.retry_after_s)


async def _admitted(
    connection: Connection, stream: Stream, ask: Callable[[], Asked]
) -> Asked | None:
    try:
        asked = ask()
        stream.open(asked)
        await stream.opened(_DENY_WITHIN_S)
    except SpeechError as error:
        await connection.deny(problem_of(error))
    except Exception:
        # A wire's edge: the log has why, and the client a status.
        log.exception("a live stream could not begin")
        await connection.deny(INTERNAL)
    else:
        return asked
    return None
