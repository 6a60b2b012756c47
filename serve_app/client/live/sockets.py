"""A WebSocket of a Chorus server, opened: what goes wrong becomes this client's own errors."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from serve_app.client.errors import (
    AnswerTimeoutError,
    ServerError,
    StreamEndedError,
    UnreachableError,
    server_error,
)

_CLOSE_TIMEOUT_S = 2.0
_COME_BACK = frozenset({1001, 1005, 1006, 1012, 1013})
"""RFC 6455 §7.4.1 and IANA's registry: going away, nothing said, abnormal, restart, try later."""
_BUSY = frozenset({429, 502, 503, 504})
_IN_VAIN = frozenset({"audio_limit_reached"})
"""Until tomorrow."""
_UNHEARD = "stream_idle"


async def open_socket(
    base_url: str,
    path: str,
    query: Mapping[str, str | None],
    *,
    headers: Mapping[str, str],
    timeout_s: float,
) -> ClientConnection:
    """A connection whose handshake is done; fields of the query that are None are left out.

    Raises:
        UnreachableError: nothing there speaks WebSocket.
        ServerError: the handshake was denied, and why.
        AnswerTimeoutError: it was not done in time.
    """
    fields = urlencode({key: value for key, value in query.items() if value is not None})
    url = base_url.replace("http", "ws", 1) + path + (f"?{fields}" if fields else "")
    try:
        return await connect(
            url,
            additional_headers=dict(headers),
            # Speech hardly shrinks, and text is short.
            compression=None,
            open_timeout=timeout_s,
            close_timeout=_CLOSE_TIMEOUT_S,
        )
    except InvalidStatus as error:
        answer = error.response
        denied = httpx.Response(
            answer.status_code,
            headers=list(answer.headers.raw_items()),
            content=bytes(answer.body or b""),
        )
        raise server_error(denied) from error
    except TimeoutError as error:
        raise AnswerTimeoutError(base_url, timeout_s) from error
    except (OSError, EOFError, InvalidHandshake) as error:
        raise UnreachableError(base_url, str(error)) from error


async def message_of(connection: ClientConnection) -> dict[str, Any]:
    """The next message.

    Raises:
        ConnectionClosed: there is none.
        StreamEndedError: it is none of a Chorus server.
    """
    message = await connection.recv()
    try:
        fields = json.loads(message)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise StreamEndedError(0, "this is no Chorus server's message")
    return fields


def ended_by(error: ConnectionClosed, complaint: str) -> StreamEndedError:
    """Why a connection was closed; `complaint` is what the server said before."""
    if error.rcvd is None:
        return StreamEndedError(1006, "the connection broke")
    return StreamEndedError(error.rcvd.code, complaint or error.rcvd.reason)


def was_unheard(error: ConnectionClosed) -> bool:
    """Whether the server has closed it since it heard nothing of its client."""
    return error.rcvd is not None and error.rcvd.reason == _UNHEARD


def may_pass(error: ServerError | StreamEndedError) -> bool:
    """Whether another try may find the server willing."""
    if isinstance(error, ServerError):
        is_busy = error.status in _BUSY and error.code not in _IN_VAIN
        return is_busy or error.is_lost_ingress
    return error.code in _COME_BACK
