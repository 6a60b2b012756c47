"""Synthesis: a sentence, in; its sound, out."""

from dataclasses import dataclass
from typing import Protocol

from serve_app.models.protocols.model import ModelInfo
from serve_app.telemetry.tracing import Trace


@dataclass(frozen=True, slots=True)
class Voice:
    """Somebody whom a synthesizer can sound like."""

    name: str
    """What clients ask for; one each on a server."""
    language: str
    """ISO 639-1 of what it speaks."""


@dataclass(frozen=True, slots=True)
class SynthesisRequest:
    """One sentence to be spoken, or what is short enough to be spoken in one breath."""

    text: str
    voice: str
    """The name of a `Voice` of the synthesizer that is asked."""
    speed: float = 1.0
    """Of the voice's own pace; 2 takes half as long."""
    sample_rate_hz: int = 24_000
    """Wanted; who is asked resamples from the voice's own."""
    trace: Trace | None = None
    """Where in a trace it is asked for; None: nobody traces it."""


@dataclass(frozen=True, slots=True)
class Speech:
    """What was spoken."""

    pcm: bytes
    """PCM16LE mono, whole samples; empty where there was nothing to say."""
    sample_rate_hz: int

    @property
    def duration_s(self) -> float:
        return len(self.pcm) / 2 / self.sample_rate_hz


class Synthesizer(Protocol):
    """Gives texts a voice, in its own process. Not thread-safe."""

    info: ModelInfo
    voices: tuple[Voice, ...]

    def synthesize(self, request: SynthesisRequest) -> Speech:
        """Speak a sentence, at the voice's own sample rate: `request`'s is for who resamples.

        The same request gives the same samples.

        Raises:
            ModelBrokenError: it speaks no more.
        """
        ...


class SentenceSynthesizer(Protocol):
    """The synthesizers somewhere, as a pipeline sees them. Cancelling a call stops its work."""

    async def synthesize(self, model: str, request: SynthesisRequest) -> Speech:
        """Speak a sentence at the wanted sample rate; `model` is the served name of who speaks.

        Raises:
            AtCapacityError: too many wait already.
            ModelUnavailableError: no replica answered, retries included.
            EngineError: it could not be spoken.
        """
        ...
