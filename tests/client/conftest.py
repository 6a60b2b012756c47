"""Real servers on real sockets, in a thread of their own, and files to send to them."""

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn

from serve_app.config import ServerConfig
from serve_app.ingress.app import build_app
from serve_app.ingress.backend.fake import Call, ScriptedBackend
from serve_app.ingress.backend.humming import ScriptedVoice
from serve_app.models.protocols import ModelInfo
from serve_app.pipelines.transcription import TranscriptionRequest
from serve_app.transcript.types import Segment, StageTimes, Transcript, Word

CONFIG = {
    "models": (
        {
            "name": "parakeet-tiny",
            "kind": "parakeet",
            "checkpoint": "tiny.nemo",
            "aliases": ("parakeet", "tiny"),
            "languages": ("en", "de"),
            "licence": "CC-BY-4.0",
            "attribution": "parakeet-tiny by us",
        },
        {"name": "pretender", "kind": "simulated", "languages": ("en", "fr")},
        {
            "name": "canary-tiny",
            "kind": "canary",
            "checkpoint": "canary.nemo",
            "languages": ("en", "de", "fr"),
            "pivot_language": "en",
        },
        {"name": "speakers", "kind": "sortformer", "checkpoint": "sortformer.nemo"},
    ),
    "synthesizers": (
        {
            "name": "espeak",
            "kind": "espeak",
            "voices": {"en": [{"name": "amy", "speaker": "en-us+f3"}]},
        },
    ),
}


@dataclass(slots=True)
class SpokenBackend(ScriptedBackend):
    """An upload is its own transcript: two seconds for each of its lines. Its speakers, where they
    are asked for, say two lines each."""

    failures: dict[bytes, list[Exception]] = field(default_factory=dict)
    """By upload; each is raised once, then the upload is answered."""
    waits_for: dict[bytes, bytes] = field(default_factory=dict)
    """An upload that is not answered before another one has arrived."""
    arrived: dict[bytes, asyncio.Event] = field(default_factory=dict)

    async def stream(
        self, upload: bytes, request: TranscriptionRequest
    ) -> AsyncGenerator[Segment | Transcript, None]:
        self.calls.append(Call(upload, request))
        self.arrived.setdefault(upload, asyncio.Event()).set()
        if other := self.waits_for.get(upload):
            await self.arrived.setdefault(other, asyncio.Event()).wait()
        if self.failures.get(upload):
            raise self.failures[upload].pop(0)
        segments = []
        for index, text in enumerate(upload.decode().splitlines()):
            start_s = 2.0 * index
            words = tuple(Word(word, start_s, start_s + 2.0) for word in text.split())
            speaker = "AB"[index // 2 % 2] if request.diarizer else None
            segments.append(
                Segment(text, start_s, start_s + 2.0, words, tokens=(), speaker=speaker)
            )
            yield segments[-1]
        times = StageTimes(decode_s=0.001, queue_s=0.002, model_s=0.003)
        spoken = request.options.language or "en"
        yield Transcript(
            segments=tuple(segments),
            duration_s=2.0 * len(segments),
            model=request.model,
            language=request.options.target_language or spoken,
            spoken_language=spoken,
            stage_times=times,
        )


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


@dataclass(slots=True)
class Site:
    """A server whose uploads are their own transcripts."""

    url: str
    backend: SpokenBackend


@pytest.fixture(scope="module")
def running_site() -> Iterator[Site]:
    listener = socket.create_server(("127.0.0.1", 0))
    backend = SpokenBackend(
        infos=(
            ModelInfo("parakeet-tiny", "parakeet", ("en", "de")),
            ModelInfo("pretender", "simulated", ("en", "fr"), device="simulated", simulated=True),
        )
    )
    app = build_app(ServerConfig.model_validate(CONFIG), backend)
    server = _Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    assert server.is_up.wait(10)
    yield Site(f"http://127.0.0.1:{listener.getsockname()[1]}", backend)
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def site(running_site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("CHORUS_URL", running_site.url)
    monkeypatch.delenv("CHORUS_API_KEY", raising=False)
    backend = running_site.backend
    for notes in (backend.calls, backend.failures, backend.waits_for, backend.arrived):
        notes.clear()
    backend.voice = ScriptedVoice()
    return running_site


@pytest.fixture
def recording(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a "recording" of a text."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@dataclass(slots=True)
class Peer:
    """A server that says what it was told to, whatever it is asked."""

    url: str
    requests: list[bytes] = field(default_factory=list)


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    """Each connection gets the next answer, as it is on the wire; an empty one hangs up."""
    threads = []
    listeners = []

    def start(*answers: bytes) -> Peer:
        listener = socket.create_server(("127.0.0.1", 0))
        peer = Peer(f"http://127.0.0.1:{listener.getsockname()[1]}")

        def answer_all() -> None:
            for answer in answers:
                try:
                    connection, _ = listener.accept()
                except OSError:  # shut down below: nobody asked for this one
                    return
                with connection:
                    peer.requests.append(_read_request(connection))
                    connection.sendall(answer)

        threads.append(threading.Thread(target=answer_all, daemon=True))
        listeners.append(listener)
        threads[-1].start()
        return peer

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)  # who accepts returns; `close` alone leaves it there
    for thread in threads:
        thread.join(10)
    for listener in listeners:
        listener.close()


def _read_request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    num_bytes = int(lengths[0].split(b":")[1]) if lengths else 0
    while len(body) < num_bytes:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
