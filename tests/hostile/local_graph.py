"""The whole server in one process but for its decoders: no Ray, no NeMo, all else as it is served.

Real sockets, the real HTTP application, real decoders in their real sandbox; the simulated model.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from serve_app.audio.sandbox import DecoderPool
from serve_app.config import ServerConfig
from serve_app.deployments.synthesis.client import ServeSynthesizers
from serve_app.ingress.app import build_app
from serve_app.models.protocols import ModelInfo, Recognition, RecognitionRequest
from serve_app.models.simulated import SimulatedRecognizer
from serve_app.pipelines import offline
from serve_app.pipelines.load import Load
from serve_app.pipelines.transcription import TranscriptionRequest
from serve_app.transcript.types import Segment, Transcript
from tests.deployments.local_synthesizer import local_synthesizer, speaker

SETTINGS: Mapping[str, Any] = {
    "models": [
        {
            "name": "simulated",
            "kind": "simulated",
            "languages": ["en", "de"],
            "simulated": {"fixed_s": 0, "per_audio_s": 0},
        }
    ],
    "synthesizers": [{"name": "espeak", "kind": "espeak"}],
    "limits": {"max_upload_bytes": 32 << 20, "max_audio_s": 600.0, "upload_timeout_s": 5.0},
    "preprocessor": {"num_decoders": 2, "decoder_memory_bytes": 512 << 20},
}


class LocalGraph:
    """See `Backend`."""

    def __init__(
        self, config: ServerConfig, decoders: DecoderPool, speakers: ServeSynthesizers
    ) -> None:
        (self._model,) = config.models
        self.synthesize, self.speak = speakers.synthesize, speakers.speak
        self._decoders = decoders
        self._engine = SimulatedRecognizer(self._model)

    async def recognize(self, request: RecognitionRequest) -> Recognition:
        (hypothesis,) = self._engine.recognize(self._engine.prepare([request]))
        return Recognition(hypothesis, queue_s=0.0, model_s=0.0, batch_size=1)

    async def stream(
        self, upload: bytes, request: TranscriptionRequest
    ) -> AsyncGenerator[Segment | Transcript, None]:
        plan = offline.ChunkedRecognition(self._model.name, self._model.max_chunk_s, 4)
        async with (
            aclosing(self._decoders.decode(upload, channel=request.channel)) as blocks,
            aclosing(offline.transcribe(blocks, self, request.options, plan)) as parts,
        ):
            async for part in parts:
                yield part

    async def transcribe(self, upload: bytes, request: TranscriptionRequest) -> Transcript:
        async with aclosing(self.stream(upload, request)) as parts:
            return [part async for part in parts if isinstance(part, Transcript)][-1]

    async def models(self) -> list[ModelInfo]:
        return [self._engine.info]

    async def ready(self) -> bool:
        return True

    async def metrics(self) -> str:
        return ""

    async def load(self) -> Load:
        return Load("local")


@dataclass(frozen=True, slots=True)
class Server:
    """One that runs, and what a test needs of it."""

    port: int
    http: httpx.AsyncClient
    decoders: DecoderPool
    good: bytes
    """A recording that is always answered."""

    async def transcribe(
        self, upload: bytes, filename: str = "a.wav", **fields: str
    ) -> httpx.Response:
        files = {"file": (filename, upload, "application/octet-stream")}
        return await self.http.post("/v1/audio/transcriptions", data=fields, files=files)

    async def good_answer(self) -> bytes:
        """What the good recording is answered with."""
        response = await self.transcribe(self.good, response_format="verbose_json")
        assert response.status_code == 200
        return response.content

    async def exchange(self, request: bytes, *, timeout_s: float = 10.0) -> bytes:
        """The whole answer to bytes on a socket of their own, until the server closes it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            told = b""
            async with asyncio.timeout(timeout_s):
                with contextlib.suppress(ConnectionResetError):  # it had heard enough
                    while part := await reader.read(4096):
                        told += part
            return told
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    good: bytes, *, module: str, timeout_s: float = 20.0, cpu_s: float = 10.0, **limits: Any
) -> AsyncIterator[Server]:
    """A server whose decoders run `module`, with so much time for one upload."""
    settings = {**SETTINGS, "limits": {**SETTINGS["limits"], **limits}}
    config = ServerConfig.model_validate(settings)
    decoders = DecoderPool(
        num_decoders=config.preprocessor.num_decoders,
        max_waiting=config.preprocessor.max_waiting,
        timeout_s=timeout_s,
        memory_bytes=config.preprocessor.decoder_memory_bytes,
        max_audio_s=config.limits.max_audio_s,
        cpu_s=cpu_s,
        module=module,
    )
    await decoders.start()
    speaking = contextlib.AsyncExitStack()
    replica = await speaking.enter_async_context(local_synthesizer(config.synthesizers[0]))
    app = build_app(config, LocalGraph(config, decoders, speaker(replica)))
    options = uvicorn.Config(app, lifespan="off", ws="none", log_config=None)
    options.load()
    uvicorn_server = uvicorn.Server(options)
    uvicorn_server.lifespan = options.lifespan_class(options)
    listener = socket.socket(proto=socket.IPPROTO_TCP)  # of others asyncio delays small writes
    listener.bind(("127.0.0.1", 0))
    await uvicorn_server.startup(sockets=[listener])
    port = listener.getsockname()[1]
    http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", verify=False, timeout=30)
    try:
        yield Server(port, http, decoders, good)
    finally:
        await http.aclose()
        await _stop(uvicorn_server)
        await decoders.close()
        await speaking.aclose()


async def _stop(server: uvicorn.Server) -> None:
    for listener in server.servers:
        listener.close()
    running = list(server.server_state.tasks)
    for connection in list(server.server_state.connections):
        connection.transport.abort()
    await asyncio.gather(*running, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Footprint:
    """What processes hold."""

    resident_bytes: int
    num_descriptors: int
    num_threads: int

    @classmethod
    def of(cls, pids: frozenset[int]) -> "Footprint":
        """Of all of `pids` together."""
        processes = [Path(f"/proc/{pid}") for pid in pids]
        resident = sum(int((each / "statm").read_text().split()[1]) for each in processes)
        return cls(
            resident * os.sysconf("SC_PAGE_SIZE"),
            sum(len(list((each / "fd").iterdir())) for each in processes),
            sum(len(list((each / "task").iterdir())) for each in processes),
        )
