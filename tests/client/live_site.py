"""A server of live streams whose words depend on every sample, and a wire that can be cut."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import uvicorn

from serve_app.config import ServerConfig
from serve_app.ingress.admission.gate import Gate, gate_of
from serve_app.ingress.app import build_app
from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.pipelines.streaming.fake import FakeHost

CONFIG = ServerConfig.model_validate(
    {
        "models": (
            {"name": "recordings", "kind": "simulated", "languages": ("en",)},
            {
                "name": "live",
                "kind": "simulated",
                "languages": ("en", "de"),
                "streaming": {"method": "cache_aware"},
            },
        ),
        "default_model": "recordings",
        # Noise is no speech, and all that these tests say is noise.
        "streams": {"voice_detector": "loudness"},
    }
)


@dataclass(slots=True)
class LiveSite:
    port: int
    host: FakeHost
    gate: Gate

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def live_site(
    config: ServerConfig = CONFIG, backend: ScriptedBackend | None = None, **host: int
) -> AsyncIterator[LiveSite]:
    """On the loop of the test."""
    listener = socket.create_server(("127.0.0.1", 0))
    fake = FakeHost(**host)
    gate = gate_of(config.limits)
    app = build_app(config, backend or ScriptedBackend(hosts={"live": fake}), gate=gate)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield LiveSite(listener.getsockname()[1], fake, gate)
    finally:
        server.should_exit = True
        await serving


@dataclass(slots=True)
class Wire:
    """Between a client and a server: passes `budgets` bytes of the client's, then is cut; or what
    follows is lost, where it `swallows`, until the server ends the connection."""

    target: int
    budgets: Iterator[int]
    is_down: bool = False
    """Whether connections end as soon as they begin."""
    stays_cut: bool = False
    swallows: bool = False
    pause_s: float = 0.0
    """After 4 KiB of the client's."""
    port: int = 0
    num_cut: int = 0
    page: bytes = b""
    """What the next connection after a cut hears, and no more."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_down:
            writer.transport.abort()
            return
        if self.num_cut and self.page:
            self.page, page = b"", self.page
            writer.write(page)
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        budget = next(self.budgets, 2**62)
        back = asyncio.create_task(_copied(far_reader, writer))
        self._tasks.add(back)
        with suppress(ConnectionError):
            while budget > 0 and (chunk := await reader.read(min(budget, 4096))):
                far_writer.write(chunk)
                await far_writer.drain()
                budget -= len(chunk)
                await asyncio.sleep(self.pause_s)
            if budget <= 0 and self.swallows:
                await _swallowed(reader, back)
        self.num_cut += budget <= 0
        self.is_down = self.stays_cut and budget <= 0
        for each in (writer, far_writer):
            each.transport.abort()
        back.cancel()


@asynccontextmanager
async def wire_to(target: int, *budgets: int) -> AsyncIterator[Wire]:
    wire = Wire(target, iter(budgets))
    server = await asyncio.start_server(wire.pass_on, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()


async def _swallowed(reader: asyncio.StreamReader, back: asyncio.Task[None]) -> None:
    swallowing = asyncio.create_task(_drained(reader))
    await asyncio.wait({back, swallowing}, return_when="FIRST_COMPLETED")
    swallowing.cancel()


async def _drained(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while await reader.read(4096):
            pass


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(4096):
            writer.write(chunk)
            await writer.drain()
        writer.close()


def noise(duration_s: float, seed: int = 1) -> bytes:
    """No two stretches of it are alike."""
    return random.Random(seed).randbytes(round(duration_s * 16_000) * 2)
