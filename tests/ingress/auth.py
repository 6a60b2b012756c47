"""Keys for tests, the file that they stand in, and a small server behind a door."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
import yaml
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from serve_app.ingress.auth.keys import sha256_of

ALICE, BOB = "chorus_alice", "chorus_bob"
FINGERPRINT = sha256_of(ALICE)[:16]
WAITING = 5


def keys_file(folder: Path, **entries: Mapping[str, Any]) -> str:
    """The path of a file in `folder` with an entry for each; a key is `chorus_` and its name."""
    path = folder / "keys.yaml"
    keys = [
        {"name": name, "sha256": sha256_of(f"chorus_{name}"), **limits}
        for name, limits in entries.items()
    ]
    path.write_text(yaml.safe_dump({"keys": keys}))
    return str(path)


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@dataclass(slots=True)
class Echo:
    """An ASGI application that says what it hears, until it is left."""

    while_open: Callable[[], Awaitable[None]] | None = None
    """Awaited once a socket is open, before anything is heard."""
    num_open: int = 0
    scopes: list[Scope] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        self.scopes.append(scope)
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        self.num_open += 1
        try:
            if self.while_open is not None:
                await self.while_open()
            while (message := await receive())["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": message["text"]})
        finally:
            self.num_open -= 1


class SocketServer:
    """A real server of WebSockets, for one test."""

    def __init__(self, app: ASGIApp) -> None:
        options = uvicorn.Config(app, lifespan="off", ws="websockets-sansio", log_config=None)
        options.load()
        self._server = uvicorn.Server(options)
        self._server.lifespan = options.lifespan_class(options)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"

    async def __aenter__(self) -> "SocketServer":
        await self._server.startup(sockets=[self._listener])
        return self

    async def __aexit__(self, *_: object) -> None:
        for listener in self._server.servers:
            listener.close()
        running = list(self._server.server_state.tasks)
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        await asyncio.gather(*running, return_exceptions=True)

    async def open(
        self, path: str = "/v1/realtime", key: str | None = None, **options: Any
    ) -> ClientConnection:
        headers = bearer(key) if key is not None else {}
        url = f"ws://{self.host}{path}"
        return await connect(url, additional_headers=headers, proxy=None, **options)

    async def refusal(self, **options: Any) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        """Status, error and headers of a handshake that is denied."""
        try:
            await self.open(**options)
        except InvalidStatus as error:
            response = error.response
            body = json.loads(response.body)["error"] if response.body else {}
            return response.status_code, body, response.headers
        raise AssertionError("it was let in")
