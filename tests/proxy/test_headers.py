"""Clients' headers as Ray's proxy would read them, through its own stack of middlewares."""

from typing import Any

import pytest
from ray.serve._private import constants, http_util
from starlette.types import Message, Receive, Scope, Send

from serve_app.proxy import guard
from serve_app.proxy.headers import MAX_REQUEST_ID_LENGTH, RAYS_OWN, ProxyHeaders, cleaned

LONGEST = b"i" * MAX_REQUEST_ID_LENGTH


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ([b"abc 1~"], [b"abc 1~"]),
        ([LONGEST], [LONGEST]),
        ([LONGEST + b"i"], []),
        ([b"\xff"], []),
        (["café".encode()], []),
        ([b"a\tb"], []),
        ([b""], []),
        ([b"\xff", b"second", b"third"], [b"second"]),
    ],
)
def test_a_request_id_is_kept_where_it_is_short_and_printable(
    sent: list[bytes], kept: list[bytes]
) -> None:
    assert [value for _, value in cleaned([(b"x-request-id", value) for value in sent])] == kept


@pytest.mark.parametrize("name", sorted(RAYS_OWN))
def test_orders_to_the_proxy_are_dropped_however_they_are_spelt(name: bytes) -> None:
    spellings = [name, name.replace(b"_", b"-"), name.upper()]
    headers = [(spelling, b"\xff") for spelling in spellings]
    assert list(cleaned([*headers, (b"accept", b"\xff")])) == [(b"accept", b"\xff")]


def test_what_ray_reads_is_spelt_as_here() -> None:
    names = [
        constants.SERVE_HTTP_REQUEST_TIMEOUT_S_HEADER,
        constants.SERVE_HTTP_REQUEST_DISCONNECT_DISABLED_HEADER,
        constants.SERVE_MULTIPLEXED_MODEL_ID,
        constants.SERVE_SESSION_ID,
    ]
    assert {name.lower().replace("-", "_").encode() for name in names} <= RAYS_OWN
    assert constants.SERVE_HTTP_REQUEST_ID_HEADER == "x-request-id"


async def _seen(kind: str, headers: list[tuple[bytes, bytes]], path: str = "/") -> dict[str, Any]:
    """What Ray's application sees of a request, and what its client is sent."""
    seen: dict[str, Any] = {"sent": []}

    async def rays(scope: Scope, receive: Receive, send: Send) -> None:
        seen["headers"] = scope["headers"]
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        return {"type": f"{kind}.connect"}

    async def send(message: Message) -> None:
        seen["sent"].append(message)

    stack = http_util._apply_middlewares(
        rays, http_util.validate_http_proxy_callback_return(guard())
    )
    await stack({"type": kind, "path": path, "headers": headers}, receive, send)
    return seen


@pytest.mark.usefixtures("guarded")
async def test_rays_own_middleware_sees_only_what_is_left() -> None:
    sent = [(b"x-request-id", b"\xff"), (b"x-request-timeout-seconds", b"0.001")]
    seen = await _seen("http", sent)
    [(name, request_id)] = seen["headers"]
    assert name == b"x-request-id"
    assert request_id.isascii()
    assert seen["sent"][0]["headers"] == [(b"x-request-id", request_id)]


@pytest.mark.usefixtures("guarded")
async def test_websockets_on_rays_own_paths_are_not_found() -> None:
    seen = await _seen("websocket", [], "/-/routes")
    assert "headers" not in seen
    assert [message.get("status") for message in seen["sent"]] == [404, None]
    assert "headers" in await _seen("websocket", [], "/asr")
    assert "headers" in await _seen("http", [], "/-/routes")


async def test_other_kinds_of_scopes_pass() -> None:
    passed: list[Scope] = []

    async def rays(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append(scope)

    async def never(*_: object) -> Any:
        raise AssertionError

    await ProxyHeaders(rays)({"type": "lifespan"}, never, never)
    assert passed == [{"type": "lifespan"}]
