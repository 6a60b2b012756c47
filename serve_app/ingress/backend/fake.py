"""A backend that answers by a script, for tests of wires: no audio, no model, no Ray.

    held = asyncio.Event()
    backend = ScriptedBackend([Segment("one.", 0.0, 1.0), held, Segment("two.", 1.0, 2.0)])

says `one.`, waits until the test sets `held`, then says `two.`. An exception in the script is
raised where it stands.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from serve_app.ingress.backend.humming import ScriptedVoice
from serve_app.models.protocols import (
    ModelInfo,
    Speech,
    SpeechPart,
    SpokenText,
    SynthesisRequest,
)
from serve_app.pipelines.load import Load
from serve_app.pipelines.streaming.host import StreamHost
from serve_app.pipelines.transcription import TranscriptionRequest
from serve_app.transcript.types import Segment, StageTimes, Transcript

Step: TypeAlias = Segment | Exception | asyncio.Event


@dataclass(frozen=True, slots=True)
class Call:
    """What one request handed to the backend."""

    upload: bytes
    request: TranscriptionRequest


@dataclass(slots=True)
class ScriptedBackend:
    """Goes through its script for every recording, whatever is in it, and notes what happens."""

    script: Sequence[Step] = ()
    duration_s: float = 2.0
    language: str | None = "en"
    """What is spoken, where the request does not name it."""
    stage_times: StageTimes = field(default_factory=StageTimes)
    infos: Sequence[ModelInfo] = ()
    is_ready: bool = True
    metrics_text: str = ""
    load_told: Load = field(default_factory=lambda: Load("fake"))

    hosts: Mapping[str, StreamHost] = field(default_factory=dict)
    """By model: what live streams meet."""
    voice: ScriptedVoice = field(default_factory=ScriptedVoice)
    """Who speaks, whatever synthesizer is asked."""

    calls: list[Call] = field(default_factory=list)
    num_running: int = 0
    called: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the first call."""
    abandoned: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a call is cancelled or closed before the end of its script."""

    async def transcribe(self, upload: bytes, request: TranscriptionRequest) -> Transcript:
        items = [item async for item in self.stream(upload, request)]
        return next(item for item in items if isinstance(item, Transcript))

    async def stream(
        self, upload: bytes, request: TranscriptionRequest
    ) -> AsyncGenerator[Segment | Transcript, None]:
        self.calls.append(Call(upload, request))
        self.called.set()
        self.num_running += 1
        segments: list[Segment] = []
        try:
            for step in self.script:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                    continue
                segments.append(step)
                yield step
        except (asyncio.CancelledError, GeneratorExit):
            self.abandoned.set()
            raise
        finally:
            self.num_running -= 1
        yield self._transcript(segments, request)

    def _transcript(self, segments: Sequence[Segment], request: TranscriptionRequest) -> Transcript:
        spoken = request.options.language or self.language
        return Transcript(
            segments=tuple(segments),
            duration_s=self.duration_s,
            model=request.model,
            language=request.options.target_language or spoken,
            spoken_language=spoken,
            stage_times=self.stage_times,
        )

    async def models(self) -> list[ModelInfo]:
        return list(self.infos)

    async def ready(self) -> bool:
        return self.is_ready

    async def metrics(self) -> str:
        return self.metrics_text

    async def load(self) -> Load:
        return self.load_told

    def stream_host(self, model: str) -> StreamHost:
        return self.hosts[model]

    async def synthesize(self, model: str, request: SynthesisRequest) -> Speech:
        return await self.voice.synthesize(model, request)

    def speak(self, model: str, request: SpokenText) -> AsyncGenerator[SpeechPart, None]:
        return self.voice.speak(model, request)
