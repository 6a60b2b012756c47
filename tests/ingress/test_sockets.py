"""Sockets at the door of a whole application, on a real server: they take places as uploads do."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import uvicorn
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from serve_app.config import ServerConfig
from serve_app.ingress.admission.gate import Gate
from serve_app.ingress.app import build_app
from serve_app.ingress.backend.fake import ScriptedBackend

pytestmark = pytest.mark.asyncio

WAITING = 5


@pytest_asyncio.fixture
async def gate() -> Gate:
    return Gate(1)


@pytest_asyncio.fixture
async def url(gate: Gate) -> AsyncIterator[str]:
    """Of a socket that sends back what it hears."""
    config = ServerConfig.model_validate({"models": [{"name": "pretender", "kind": "simulated"}]})
    app = build_app(config, ScriptedBackend(), gate=gate)

    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    app.add_api_websocket_route("/echo", echo)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield f"ws://127.0.0.1:{listener.getsockname()[1]}/echo"
    server.should_exit = True
    await asyncio.wait_for(serving, WAITING)


async def test_one_socket_too_many_is_refused_in_place_of_its_handshake(
    url: str, gate: Gate
) -> None:
    async with connect(url) as first:
        await first.send("hello")
        assert await first.recv() == "hello"
        assert gate.num_inside == 1
        with pytest.raises(InvalidStatus) as caught:
            async with connect(url):
                pass
        assert caught.value.response.status_code == 429
        assert caught.value.response.headers["retry-after"] == "2"
    async with asyncio.timeout(WAITING):
        while not await is_let_in(url):
            pass


async def test_a_server_that_cannot_deny_in_words_closes_with_a_code(gate: Gate) -> None:
    config = ServerConfig.model_validate({"models": [{"name": "pretender", "kind": "simulated"}]})
    app = build_app(config, ScriptedBackend(), gate=gate)
    sent: list[dict[str, object]] = []

    async def send(message) -> None:
        sent.append(dict(message))

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/nothing", "headers": [], "query_string": b""}
    await app(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "not_found"}]


async def is_let_in(url: str) -> bool:
    try:
        async with connect(url):
            return True
    except InvalidStatus:
        return False


async def test_a_closing_gate_lets_no_socket_in_and_waits_for_the_one_inside(
    url: str, gate: Gate
) -> None:
    async with connect(url) as inside:
        closing = asyncio.create_task(gate.close(timeout_s=WAITING))
        await asyncio.sleep(0)
        with pytest.raises(InvalidStatus) as caught:
            async with connect(url):
                pass
        assert caught.value.response.status_code == 503
        assert not closing.done()
        await inside.send("still here")
        assert await inside.recv() == "still here"
    await asyncio.wait_for(closing, WAITING)
