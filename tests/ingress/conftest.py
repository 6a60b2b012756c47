"""Real servers on real sockets, over a scripted backend, and real clients to them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
import pytest_asyncio
import uvicorn

from serve_app.config import ServerConfig
from serve_app.ingress.app import build_app
from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.ingress.jobs.desk import Desk

MODELS = (
    {
        "name": "parakeet-tiny",
        "kind": "parakeet",
        "checkpoint": "tiny.nemo",
        "aliases": ("parakeet",),
        "languages": ("en", "de"),
        "licence": "CC0",
        "attribution": "us",
    },
    {"name": "pretender", "kind": "simulated", "languages": ("en", "fr")},
)


@dataclass(slots=True)
class Site:
    """One server and its clients."""

    port: int
    sdk: openai.AsyncOpenAI
    http: httpx.AsyncClient
    server: uvicorn.Server
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    def spawn(self, coroutine: Any) -> asyncio.Task[Any]:
        task = asyncio.create_task(coroutine)
        self.tasks.append(task)
        return task

    async def transcribe(self, **options: Any) -> Any:
        return await self.sdk.audio.transcriptions.create(
            file=("a.wav", b"RIFF...", "audio/x-wav"), **{"model": "whisper-1", **options}
        )

    async def post(self, path: str = "/v1/audio/transcriptions", **fields: Any) -> httpx.Response:
        files = {"file": ("a.wav", b"RIFF...", "audio/x-wav")}
        return await self.http.post(path, data=fields, files=files)

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.sdk.close()
        await self.http.aclose()
        for listener in self.server.servers:
            listener.close()
        running = list(self.server.server_state.tasks)
        for connection in list(self.server.server_state.connections):
            connection.transport.abort()
        await asyncio.gather(*running, return_exceptions=True)


async def open_site(
    backend: ScriptedBackend, settings: dict[str, Any], desk: Desk | None = None
) -> Site:
    config = ServerConfig.model_validate({"models": MODELS, **settings})
    listener = socket.create_server(("127.0.0.1", 0))
    app = build_app(config, backend, desk=desk)
    options = uvicorn.Config(app, lifespan="off", ws="none", log_config=None)
    options.load()
    server = uvicorn.Server(options)
    server.lifespan = options.lifespan_class(options)
    await server.startup(sockets=[listener])
    port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    return Site(
        port=port,
        sdk=openai.AsyncOpenAI(
            base_url=f"{url}/v1",
            api_key="none",
            max_retries=0,
            # Reading the system's certificates takes longer than most of these tests.
            http_client=openai.DefaultAsyncHttpxClient(verify=False, timeout=10),
        ),
        http=httpx.AsyncClient(base_url=url, verify=False, timeout=10),
        server=server,
    )


@pytest_asyncio.fixture
async def open_server() -> AsyncIterator[Callable[..., Any]]:
    """`await open_server(backend, **settings)` gives a `Site`; all are closed with the test."""
    sites: list[Site] = []

    async def opened(backend: ScriptedBackend | None = None, **settings: Any) -> Site:
        sites.append(await open_site(backend or ScriptedBackend(), settings))
        return sites[-1]

    yield opened
    for site in sites:
        await site.close()
