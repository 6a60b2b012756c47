"""A real server of live streams over the host that ships for tests, and real clients to it."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import openai
import pytest_asyncio
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from serve_app.config import ServerConfig
from serve_app.ingress.admission.gate import Gate, gate_of
from serve_app.ingress.app import build_app
from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.pipelines.streaming.fake import FakeHost
from tests.ingress.auth import SocketServer

WAITING = 10
MODELS = (
    {"name": "pretender", "kind": "simulated", "languages": ("en", "fr")},
    {
        "name": "live",
        "kind": "simulated",
        "aliases": ("alive",),
        "languages": ("en", "de"),
        "pivot_language": "en",
        "streaming": {},
    },
    {"name": "other", "kind": "simulated", "languages": ("fr",), "streaming": {}},
)


class Site:
    """One server, its replicas and its gate."""

    def __init__(self, server: SocketServer, host: FakeHost, gate: Gate) -> None:
        self.server = server
        self.host = host
        self.gate = gate

    async def open(self, path: str, **options: Any) -> ClientConnection:
        return await self.server.open(path, **options)

    async def until_let_in(self, path: str) -> None:
        """Return when the model has room again."""
        async with asyncio.timeout(WAITING):
            while True:
                try:
                    await (await self.open(path)).close()
                except InvalidStatus:
                    continue
                return

    def sdk(self, key: str = "none") -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            base_url=f"http://{self.server.host}/v1",
            api_key=key,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(verify=False, timeout=WAITING),
        )


@pytest_asyncio.fixture
async def open_site() -> AsyncIterator[Callable[..., Any]]:
    """`await open_site(**settings)` gives a `Site`; no slot may be left when the test ends."""
    sites: list[Site] = []

    async def opened(
        host: FakeHost | None = None, *, signing_secret: str = "", **settings: Any
    ) -> Site:
        streams = {"voice_detector": "loudness", **settings.pop("streams", {})}
        config = ServerConfig.model_validate({"models": MODELS, "streams": streams, **settings})
        host = host or FakeHost()
        gate = gate_of(config.limits)
        backend = ScriptedBackend(hosts={"live": host, "other": host})
        app = build_app(config, backend, gate=gate, signing_secret=signing_secret)
        server = SocketServer(app)
        await server.__aenter__()
        sites.append(Site(server, host, gate))
        return sites[-1]

    yield opened
    for site in sites:
        await site.server.__aexit__()
        assert site.host.num_slots_taken == 0


def speech(seed: int, duration_s: float) -> bytes:
    """PCM16LE at 16 kHz, loud, and never twice the same."""
    return random.Random(seed).randbytes(round(duration_s * 16_000) * 2)


def silence(duration_s: float) -> bytes:
    return bytes(round(duration_s * 16_000) * 2)


async def messages_of(client: ClientConnection) -> list[dict[str, Any]]:
    """All that the server says until it closes."""
    said = []
    try:
        while True:
            said.append(json.loads(await client.recv()))
    except ConnectionClosed:
        return said


async def said_by(site: Site, path: str, packets: list[bytes]) -> list[dict[str, Any]]:
    """All that `/asr` says to who sends these packets, and then the end."""
    async with asyncio.timeout(WAITING), await site.open(path) as client:
        sending = asyncio.create_task(_send_all(client, [*packets, b""]))
        said = await messages_of(client)
        await sending
        assert client.close_code == 1000
        return said


async def ended(
    site: Site, path: str, packets: list[Any]
) -> tuple[list[dict[str, Any]], int | None, str | None]:
    """All that is said to who says no end, and what the socket is closed with."""
    async with asyncio.timeout(WAITING), await site.open(path) as client:
        sending = asyncio.create_task(_send_all(client, packets))
        said = await messages_of(client)
        await sending
        return said, client.close_code, client.close_reason


async def _send_all(client: ClientConnection, packets: list[Any]) -> None:
    with suppress(ConnectionClosed):
        for packet in packets:
            await client.send(packet)
