"""What a wire asks for, and who answers: the border between the ingress and the graph."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from serve_app.audio.waveform import Channel
from serve_app.models.protocols import RecognitionOptions
from serve_app.telemetry.tracing import Trace
from serve_app.transcript.types import Segment, Transcript


@dataclass(frozen=True, slots=True)
class StoredAudio:
    """A recording in the audio store; who transcribes it fetches it from there by itself."""

    url: str
    """Of fsspec, e.g. `file:///var/lib/chorus/ab12` or `s3://bucket/ab12`; made by the server."""
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Wording:
    """How a text is written down once it is recognised."""

    numbers: bool = False
    """Numbers in digits: inverse text normalisation."""
    mask_profanity: bool = False


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """One recording to transcribe."""

    model: str
    """A served name; aliases are resolved before."""
    options: RecognitionOptions
    channel: Channel = "mix"
    timeout_s: float = 600.0
    diarizer: str | None = None
    """Served name of the model that tells the speakers apart; None: nobody does."""
    wording: Wording = Wording()
    trace: Trace | None = None
    """Where in a trace it is asked for; None: nobody traces it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a recording is."""

    done_s: float
    """Audio that needs no more work, from the start."""
    total_s: float
    """Of the whole recording: by its header until all is decoded, true from then on."""


class Transcriber(Protocol):
    """The graph behind a wire. Cancelling a call stops its work everywhere.

    Both raise any `SpeechError`.
    """

    async def transcribe(self, upload: bytes, request: TranscriptionRequest) -> Transcript: ...

    def stream(
        self, upload: bytes, request: TranscriptionRequest
    ) -> AsyncGenerator[Segment | Transcript, None]:
        """Segments in order, each as soon as it is known; the whole `Transcript` last."""
        ...


class StoredTranscriber(Protocol):
    """The graph behind a worker of jobs."""

    def stream_stored(
        self, audio: StoredAudio, request: TranscriptionRequest, expected_s: float
    ) -> AsyncGenerator[Progress | Transcript, None]:
        """How far it is, about once a second at most; the whole `Transcript` last. Closing it
        stops its work everywhere.

        Raises:
            SpeechError: any of them.
        """
        ...
