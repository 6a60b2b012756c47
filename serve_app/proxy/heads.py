"""Bytes of a connection → requests with heads that came whole, soon and short, or a refusal.

uvicorn bounds neither the time nor the bytes of a head, and gives a handshake that its WebSocket
library refused no answer. These are its own protocols with that added.
"""

import asyncio
from http import HTTPStatus
from typing import Any, ClassVar

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState


class BoundedHttpProtocol(HttpToolsProtocol):
    """Refuses a head that is not whole in time (408) or too large (431), and closes.

    The time begins with the connection, or with the first byte of a further request; between
    requests uvicorn's own keep-alive time-out counts. What is left of a body after its answer has
    the same time. A response under way is never cut off for it.
    """

    head_timeout_s: ClassVar[float] = 15.0
    max_head_bytes: ClassVar[int] = 64 * 1024

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._awaits_head = True
        self._num_head_bytes = 0
        self._num_heads = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser no more of a head at once than may still come of it."""
        if self._awaits_head:
            self._arm()
        while data and self.transport.get_protocol() is self and not self.transport.is_closing():
            size, num_heads = len(data), self._num_heads
            if is_head := self._awaits_head:
                size = min(size, self.max_head_bytes - self._num_head_bytes)
            if size == 0:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
                return
            super().data_received(data[:size])
            if is_head and self._num_heads == num_heads:
                self._num_head_bytes += size
            data = data[size:]

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._arm()

    def on_headers_complete(self) -> None:
        self._disarm()
        self._awaits_head = False
        self._num_heads += 1
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._awaits_head = True
        self._num_head_bytes = 0

    def on_response_complete(self) -> None:
        """Leave the rest of a body that was answered early no longer than a head.

        uvicorn would take each byte of it for a sign of life, and forget its keep-alive time-out.
        """
        super().on_response_complete()
        if not self._awaits_head:
            self._arm()

    def _arm(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_timeout_s, self._time_out)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _time_out(self) -> None:
        self._head_timer = None
        if self._is_answering():
            self._arm()
        elif self._num_head_bytes:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        if not self._is_answering():
            self.transport.write(refusal(status))
        self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete


class AnsweringWebSocketProtocol(WebSocketsSansIOProtocol):
    """Sends the answer that `websockets` has for a handshake that it cannot parse, and closes.

    It bounds a line (8 KB: 414, 431) and the number of headers (128: 431); what else it refuses,
    such as a body, has no answer of its own.
    """

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            answer = b"".join(self.conn.data_to_send())
            self.transport.write(answer or refusal(HTTPStatus.BAD_REQUEST))
            self.transport.close()


def refusal(status: HTTPStatus) -> bytes:
    """A whole answer of HTTP/1.1 that ends its connection."""
    body = f"{status.phrase}\n"
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "content-type: text/plain; charset=utf-8\r\n"
        f"content-length: {len(body)}\r\n"
        "connection: close\r\n"
        "\r\n"
        f"{body}"
    ).encode("ascii")
