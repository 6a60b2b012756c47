"""Requests as clients send them → requests without what only Ray may say to its proxy."""

import os
from collections.abc import Iterator

from starlette.types import ASGIApp, Receive, Scope, Send

Header = tuple[bytes, bytes]

MAX_REQUEST_ID_LENGTH = 128
_REQUEST_ID = b"x-request-id"
_SESSION_ID = os.environ.get("RAY_SERVE_SESSION_ID_HEADER_KEY", "") or "x-session-id"
RAYS_OWN = frozenset(
    {
        b"x_request_timeout_seconds",
        b"x_request_disconnect_disabled",
        b"serve_multiplexed_model_id",
        b"x_session_id",
        _SESSION_ID.lower().replace("-", "_").encode(),
    }
)
"""Orders to Ray's proxy, as it spells them out: one ends a request at will, one lets it go on
without its client, two choose its replica. It takes hyphens for underscores, so both go."""


class ProxyHeaders:
    """Drops `RAYS_OWN` headers and unfit request ids; refuses WebSockets on Ray's own paths.

    Ray decodes these headers as UTF-8 without looking, sends the request id back whole, and fails
    on a WebSocket under `/-/`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        root_path = scope.get("root_path", "")
        if scope["type"] == "websocket" and scope["path"].startswith(f"{root_path}/-/"):
            await _not_found(receive, send)
            return
        if scope["type"] in {"http", "websocket"}:
            scope = {**scope, "headers": list(cleaned(scope["headers"]))}
        await self._app(scope, receive, send)


def cleaned(headers: list[Header]) -> Iterator[Header]:
    """`headers` without those above; of several fit request ids the first."""
    is_identified = False
    for name, value in headers:
        if not name.isascii() or name.lower().replace(b"-", b"_") in RAYS_OWN:
            continue
        if name.lower() == _REQUEST_ID:
            if is_identified or not _is_fit(value):
                continue
            is_identified = True
        yield name, value


def _is_fit(request_id: bytes) -> bool:
    """Whether it is printable ASCII, and short enough for a line of a log."""
    return 0 < len(request_id) <= MAX_REQUEST_ID_LENGTH and all(
        0x20 <= byte < 0x7F for byte in request_id
    )


async def _not_found(receive: Receive, send: Send) -> None:
    await receive()
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "websocket.http.response.start", "status": 404, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": b"Not Found"})
