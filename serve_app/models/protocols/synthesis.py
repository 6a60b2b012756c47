"""Synthesis: a sentence, in; its sound, out. Or a text, in; an encoded file, out, in parts."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from serve_app.models.protocols.model import ModelInfo
from serve_app.telemetry.tracing import Trace

SpeechFormat: TypeAlias = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
"""MP3, Opus in Ogg, AAC in ADTS, FLAC, WAV, and PCM16LE without a header."""


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


@dataclass(frozen=True, slots=True)
class SpokenText:
    """A text of any length to be spoken, and how its sound is to be written."""

    text: str
    voice: str
    """The name of a `Voice` of the synthesizer that is asked."""
    speed: float = 1.0
    sample_rate_hz: int = 24_000
    format: SpeechFormat = "wav"
    trace: Trace | None = None


@dataclass(frozen=True, slots=True)
class SpeechPart:
    """The next bytes of the file."""

    data: bytes
    duration_s: float
    """Of what was spoken since the part before; its last bytes may be in the next one."""


class UnspeakableError(Exception):
    """A text that could not be spoken, though others can. Its words are fit for a client."""


class Synthesizer(Protocol):
    """Gives texts a voice, in its own process. Not thread-safe."""

    info: ModelInfo
    voices: tuple[Voice, ...]

    def synthesize(self, request: SynthesisRequest) -> Speech:
        """Speak a sentence, at the voice's own sample rate: `request`'s is for who resamples.

        The same request gives the same samples.

        Raises:
            UnspeakableError: this text cannot be spoken.
            ModelBrokenError: it speaks no more.
        """
        ...

    def close(self) -> None:
        """Leave no process and no memory behind."""
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


class TextSpeaker(SentenceSynthesizer, Protocol):
    """The same for whole texts: the first sound comes before all is spoken."""

    def speak(self, model: str, request: SpokenText) -> AsyncGenerator[SpeechPart, None]:
        """Parts of the file, a sentence or so in each. Closing it stops the work.

        Raises:
            As `synthesize`.
        """
        ...
