"""A WebSocket and a wire, in; the client let in or denied, and its whole visit, out."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from starlette.websockets import WebSocket

from serve_app.config import ModelConfig, ServerConfig
from serve_app.errors import AtCapacityError, SpeechError
from serve_app.ingress.admission.gate import Gate
from serve_app.ingress.backend import Backend
from serve_app.ingress.problems import INTERNAL, problem_of
from serve_app.ingress.served import ServedModels
from serve_app.ingress.sockets.connection import Connection
from serve_app.ingress.sockets.inbox import Unread
from serve_app.ingress.sockets.stream import Stream
from serve_app.ingress.sockets.transcription.asked import Asked
from serve_app.ingress.sockets.transcription.stream import TextStream
from serve_app.ingress.sockets.translation.asked import AskedConversation
from serve_app.ingress.sockets.translation.stream import SpokenStream
from serve_app.ingress.sockets.visit import LEFT, Closing, Visit, Wire
from serve_app.ingress.voices import ServedVoices
from serve_app.ingress.wires.rest.answers import SIMULATED_HEADER
from serve_app.pipelines.speech_to_speech.events import ConversationEvent
from serve_app.pipelines.streaming.events import StreamEvent

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

    def translated(self, outcome: str, text_s: float | None, sound_s: float | None) -> None:
        """An utterance of a conversation is over; see `Done`."""


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

    def translated(self, outcome: str, text_s: float | None, sound_s: float | None) -> None:
        return


class _Asked(Protocol):
    @property
    def model(self) -> ModelConfig: ...

    @property
    def is_simulated(self) -> bool: ...


A = TypeVar("A", bound=_Asked)
E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class _Caller(Generic[A, E]):
    """Who came by which route, and what is to be done for them."""

    route: str
    stream: Stream[A, Any, E]
    ask: Callable[[], A | None]
    new_wire: Callable[[Connection], Wire[E]]


class Sockets:
    """All live streams of one ingress."""

    def __init__(
        self, config: ServerConfig, backend: Backend, gate: Gate, tally: Tally | None = None
    ) -> None:
        self.config = config
        self.served, self.voices = ServedModels(config), ServedVoices(config)
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
        new_wire: Callable[[Connection, TextStream], Wire[StreamEvent]],
    ) -> None:
        """Let the client in and hold its stream until either side ends it.

        `route` is its name among the metrics; `ask` raises what the handshake is denied with.
        """
        stream = TextStream(self._backend.stream_host, self.config.streams, self._counted(route))
        await self._serve(
            websocket,
            _Caller(route, stream, ask, lambda connection: new_wire(connection, stream)),
        )

    async def translate(
        self,
        websocket: WebSocket,
        route: str,
        ask: Callable[[], AskedConversation | None],
        new_wire: Callable[[Connection, SpokenStream], Wire[ConversationEvent]],
    ) -> None:
        """The same, of a conversation. Where `ask` has none yet, the wire will open it."""
        stream = SpokenStream(
            self._backend, self.config, self._counted(route), self._tally.translated
        )
        await self._serve(
            websocket,
            _Caller(route, stream, ask, lambda connection: new_wire(connection, stream)),
        )

    def _counted(self, route: str) -> Callable[[float], None]:
        return lambda audio_s: self._tally.heard(route, audio_s)

    async def _serve(self, websocket: WebSocket, caller: "_Caller[A, E]") -> None:
        stream = caller.stream
        connection = Connection(
            websocket,
            self._unread,
            idle_timeout_s=stream.limits.idle_timeout_s,
            is_owing=lambda: stream.is_owing,
        )
        code = "left"
        try:
            code = await self._visit(connection, caller)
        except LEFT:
            log.info("the client left as it came: %s", caller.route)
        finally:
            try:
                self._tally.closed(caller.route, code)
                await connection.give_up()
            finally:
                await stream.close()

    async def _visit(self, connection: Connection, caller: "_Caller[A, E]") -> str:
        if self._num_inside >= self.config.streams.max_per_ingress:
            await connection.deny(problem_of(self._full()))
            return "denied"
        self._num_inside += 1
        try:
            if not await _is_admitted(connection, caller):
                return "denied"
            return await self._hold(connection, caller)
        finally:
            self._num_inside -= 1

    async def _hold(self, connection: Connection, caller: "_Caller[A, E]") -> str:
        stream, wire = caller.stream, caller.new_wire(connection)
        is_simulated = stream.asked is not None and stream.asked.is_simulated
        await connection.accept({SIMULATED_HEADER: "true"} if is_simulated else {})
        closing = Closing(self._gate.closing, self.config.limits.retry_after_s)
        self._tally.opened(caller.route)
        try:
            return await Visit(connection, stream, wire, closing).run()
        finally:
            self._tally.ended(caller.route)

    def _full(self) -> AtCapacityError:
        what = f"{self.config.streams.max_per_ingress} live streams in this ingress"
        return AtCapacityError(what, self.config.limits.retry_after_s)


async def _is_admitted(connection: Connection, caller: "_Caller[A, E]") -> bool:
    try:
        asked = caller.ask()
        if asked is not None:
            caller.stream.open(asked)
        await caller.stream.opened(_DENY_WITHIN_S)
    except SpeechError as error:
        await connection.deny(problem_of(error))
    except Exception:
        # A wire's edge: the log has why, and the client a status.
        log.exception("a live stream could not begin")
        await connection.deny(INTERNAL)
    else:
        return True
    return False
