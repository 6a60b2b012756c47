"""A real server of conversations over a scripted model and a humming voice, and what it is told."""

import asyncio
import io
import json
import wave
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from serve_app.config import ServerConfig
from serve_app.deployments.ledger import AsyncLedger
from serve_app.ingress.admission.gate import Gate, gate_of
from serve_app.ingress.app import build_app
from serve_app.ingress.backend.fake import ScriptedBackend
from tests.ingress.auth import SocketServer
from tests.ingress.wires.conftest import WAITING

PATH = "/ws/translate"
MODELS = (
    {
        "name": "pretender",
        "kind": "simulated",
        "languages": ("en", "de", "ru"),
        "pivot_language": "en",
    },
    {"name": "other", "kind": "simulated", "languages": ("fr",)},
    {"name": "live", "kind": "simulated", "languages": ("en",), "streaming": {}},
    {
        "name": "interpreter",
        "kind": "simulated",
        "languages": ("en", "ru"),
        "pivot_language": "en",
        "streaming": {},
    },
)
SYNTHESIZERS = (
    {
        "name": "hummer",
        "kind": "simulated",
        "voices": {"en": [{"name": "amy"}, {"name": "bob"}], "ru": [{"name": "ivan"}]},
    },
)
WANTED = {"mode": "en->ru", "sample_rate": 16000, "events": True}


class Site:
    """One server with one conversation's worth of script."""

    def __init__(self, server: SocketServer, backend: ScriptedBackend, gate: Gate) -> None:
        self.server = server
        self.backend = backend
        self.gate = gate

    async def said(self, first: Any, *messages: Any) -> list[Any]:
        """All that is told to who says this, and the end; text frames as objects."""
        told, code, _ = await self.ended(first, *messages, b"")
        assert code == 1000, told
        return told

    async def ended(self, first: Any, *messages: Any) -> tuple[list[Any], int | None, str | None]:
        """All that is told to who says this, and what the socket is closed with."""
        async with asyncio.timeout(WAITING), await self.server.open(PATH) as client:
            sending = asyncio.create_task(say(client, first, *messages))
            told = await told_to(client)
            await sending
            return told, client.close_code, client.close_reason


async def new_site(
    backend: ScriptedBackend,
    *,
    signing_secret: str = "",
    ledger: AsyncLedger | None = None,
    **settings: Any,
) -> Site:
    streams = {"voice_detector": "loudness", **settings.pop("streams", {})}
    config = ServerConfig.model_validate(
        {"models": MODELS, "synthesizers": SYNTHESIZERS, "streams": streams, **settings}
    )
    gate = gate_of(config.limits)
    server = SocketServer(
        build_app(config, backend, gate=gate, signing_secret=signing_secret, ledger=ledger)
    )
    await server.__aenter__()
    return Site(server, backend, gate)


async def say(client: ClientConnection, *messages: Any) -> None:
    with suppress(ConnectionClosed):
        for message in messages:
            is_object = isinstance(message, dict)
            await client.send(json.dumps(message) if is_object else message)


async def told_to(client: ClientConnection) -> list[Any]:
    """Until the server closes."""
    told: list[Any] = []
    try:
        while True:
            told.append(parsed(await client.recv()))
    except ConnectionClosed:
        return told


def parsed(message: str | bytes) -> Any:
    return json.loads(message) if isinstance(message, str) else message


def of_type(told: list[Any], kind: str) -> list[Any]:
    return [each for each in told if isinstance(each, dict) and each.get("type") == kind]


def pcm_of(recording: bytes) -> tuple[bytes, int]:
    """The samples of a WAV, which has to be mono PCM16, and its rate."""
    with wave.open(io.BytesIO(recording)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.readframes(file.getnframes()), file.getframerate()
