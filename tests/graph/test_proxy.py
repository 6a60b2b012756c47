"""Serve's own proxy, guarded: what it must not see does not reach it."""

import socket
from urllib.parse import urlsplit

import httpx
import pytest

from tests.graph.conftest import Server

HANDSHAKE = (
    b"GET %s HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n"
)


def answer(server: Server, request: bytes) -> bytes:
    """All that comes until the server closes, which it must."""
    url = urlsplit(server.address)
    with socket.create_connection((url.hostname, url.port), timeout=30) as client:
        client.sendall(request)
        with client.makefile("rb") as answers:
            return answers.read()


@pytest.mark.parametrize(
    "name",
    [
        "x-request-id",
        "x-session-id",
        "serve_multiplexed_model_id",
        "serve-multiplexed-model-id",
        "x-request-timeout-seconds",
        "x-request-disconnect-disabled",
    ],
)
@pytest.mark.parametrize("value", [b"\xff\xfe", b"0.001", b"?1", b"a" * 20_000])
def test_orders_to_rays_proxy_change_nothing(
    running_server: Server, name: str, value: bytes
) -> None:
    url = f"{running_server.address}/v1/models"
    response = httpx.get(url, headers={name: value}, timeout=30)
    assert response.status_code == 200
    assert len(response.headers["x-request-id"]) <= 128


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (HANDSHAKE % (b"/asr?language=" + b"x" * 9000, b""), b"HTTP/1.1 414 "),
        (HANDSHAKE % (b"/asr", b"x-a: a\r\n" * 300), b"HTTP/1.1 431 "),
        (HANDSHAKE % (b"/-/routes", b""), b"HTTP/1.1 404 "),
        (b"GET / HTTP/1.1\r\nhost: x\r\nx-large: " + b"a" * 65_536, b"HTTP/1.1 431 "),
        (b"GET / HTTP/1.1\r\n", b"HTTP/1.1 408 "),
        (b"", b""),
    ],
)
def test_heads_have_their_bounds(running_server: Server, request_: bytes, status: bytes) -> None:
    got = answer(running_server, request_)
    assert got.startswith(status)
    assert bool(got) == bool(status)
