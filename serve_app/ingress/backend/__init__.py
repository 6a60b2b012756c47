"""What the ingress needs of the graph behind it: Serve handles in production, a script in tests.

status   how it is, asked with patience that has an end
fake     the script
humming  the script's voice
"""

from collections.abc import AsyncGenerator
from typing import Protocol

from serve_app.models.protocols import (
    ModelInfo,
    Speech,
    SpeechPart,
    SpokenText,
    SynthesisRequest,
    TextSpeaker,
)
from serve_app.pipelines.load import Load
from serve_app.pipelines.streaming.host import StreamHost
from serve_app.pipelines.transcription import Transcriber


class Backend(Transcriber, TextSpeaker, Protocol):
    """The graph behind all wires: it transcribes, speaks, and tells how it is."""

    async def models(self) -> list[ModelInfo]:
        """One entry for each model that can answer now; a model still loading has none."""
        ...

    async def ready(self) -> bool:
        """Whether a recording handed in now would find a decoder and the default model."""
        ...

    async def metrics(self) -> str:
        """The metrics of this node, in Prometheus' text format."""
        ...

    async def load(self) -> Load:
        """What one of the preprocessors has under way. Raises any `SpeechError`."""
        ...

    def stream_host(self, model: str) -> StreamHost:
        """The replicas of a configured model that takes live streams."""
        ...


class Around:
    """A backend around another, for those that watch some of it and leave the rest to it."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def models(self) -> list[ModelInfo]:
        return await self._backend.models()

    async def ready(self) -> bool:
        return await self._backend.ready()

    async def metrics(self) -> str:
        return await self._backend.metrics()

    async def load(self) -> Load:
        return await self._backend.load()

    def stream_host(self, model: str) -> StreamHost:
        return self._backend.stream_host(model)

    async def synthesize(self, model: str, request: SynthesisRequest) -> Speech:
        return await self._backend.synthesize(model, request)

    def speak(self, model: str, request: SpokenText) -> AsyncGenerator[SpeechPart, None]:
        return self._backend.speak(model, request)
