"""A server in a thread whose engines are the simulated ones, without Ray: what Locust calls."""

import asyncio
import queue
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from serve_app.audio.chunk import Chunker
from serve_app.audio.decode import heard_blocks
from serve_app.config import ServerConfig
from serve_app.deployments.streaming.local import LocalHost
from serve_app.deployments.streaming.slots import Slots, waiting_frames
from serve_app.ingress.app import build_app
from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.models.loader import load_streaming_recognizer
from serve_app.models.protocols import ModelInfo
from serve_app.models.simulated import words_in
from serve_app.pipelines.transcription import TranscriptionRequest
from serve_app.transcript.types import Segment, Transcript

_FREE = {"fixed_s": 0.0, "per_audio_s": 0.0, "per_stream_s": 0.0}
CONFIG = ServerConfig.model_validate(
    {
        "models": (
            {"name": "recordings", "kind": "simulated", "languages": ("en",), "simulated": _FREE},
            {
                "name": "live",
                "kind": "simulated",
                "languages": ("en",),
                "simulated": _FREE,
                "streaming": {"num_slots": 2},
            },
        ),
        "streams": {"voice_detector": "loudness"},
    }
)


@dataclass(slots=True)
class SimulatedBackend(ScriptedBackend):
    """Decodes what it is given, and answers as the simulated engine does."""

    async def stream(
        self, upload: bytes, request: TranscriptionRequest
    ) -> AsyncGenerator[Segment | Transcript, None]:
        chunker = Chunker(max_chunk_s=30.0, max_pause_s=2.0)
        chunks = [
            chunk for block in heard_blocks(upload, unheard_s=30.0) for chunk in chunker.push(block)
        ]
        segments = []
        for chunk in (*chunks, *chunker.flush()):
            text = " ".join(word.text for word in words_in(chunk.samples(), ""))
            segments.append(Segment(text, chunk.start_s, chunk.start_s + chunk.duration_s))
            yield segments[-1]
        yield self._transcript(segments, request)


@contextmanager
def simulated_site() -> Iterator[str]:
    """Its address. It has two slots for live streams."""
    listener = socket.create_server(("127.0.0.1", 0))
    started: queue.SimpleQueue[uvicorn.Server] = queue.SimpleQueue()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(listener, started.put)))
    thread.start()
    server = started.get(timeout=60)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)


async def _serve(listener: socket.socket, tell: Callable[[uvicorn.Server], None]) -> None:
    """Slots live on the loop of their server."""
    model = load_streaming_recognizer(CONFIG.streaming_models[0])
    slots = Slots(model, max_waiting_frames=waiting_frames(3.0, model.step_samples))
    infos = [
        ModelInfo(each.name, "simulated", ("en",), device="simulated", simulated=True)
        for each in CONFIG.models
    ]
    backend = SimulatedBackend(infos=infos, hosts={"live": LocalHost([slots])})
    app = build_app(CONFIG, backend)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    tell(server)
    await server.serve(sockets=[listener])
