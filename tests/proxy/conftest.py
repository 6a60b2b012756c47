"""A uvicorn with the guarded protocols, as Ray makes one, around an application of a few lines."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http import auto as http_auto
from uvicorn.protocols.websockets import auto as websockets_auto

from serve_app.proxy import guard
from serve_app.proxy.heads import BoundedHttpProtocol

HEAD_TIMEOUT_S = 0.3


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Counts the bytes of a body, at `/late` not before thrice the time for a head, at `/early`
    without reading it; echoes text."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": (await receive())["text"]})
        await send({"type": "websocket.close"})
        return
    num_bytes, more = 0, scope["path"] != "/early"
    while more:
        message = await receive()
        num_bytes, more = num_bytes + len(message["body"]), message["more_body"]
    if scope["path"] == "/late":
        is_late = asyncio.Event()
        asyncio.get_running_loop().call_later(3 * HEAD_TIMEOUT_S, is_late.set)
        await is_late.wait()
    body = b"%d\n" % num_bytes
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_auto, "AutoHTTPProtocol", http_auto.AutoHTTPProtocol)
    monkeypatch.setattr(
        websockets_auto, "AutoWebSocketsProtocol", websockets_auto.AutoWebSocketsProtocol
    )
    monkeypatch.setattr(BoundedHttpProtocol, "head_timeout_s", HEAD_TIMEOUT_S)
    guard()


@pytest.fixture
async def port(guarded: None) -> AsyncIterator[int]:
    config = uvicorn.Config(
        application, lifespan="off", log_config=None, timeout_keep_alive=30, access_log=False
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        await server.startup(sockets=[listener])
        yield int(listener.getsockname()[1])
        await server.shutdown(sockets=[listener])
