"""What a wire asks for, and who answers: the border between the ingress and the graph."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from serve_app.audio.waveform import Channel
from serve_app.models.protocols import RecognitionOptions
from serve_app.transcript.types import Segment, Transcript


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """One recording to transcribe."""

    model: str
    """A served name; aliases are resolved before."""
    options: RecognitionOptions
    channel: Channel = "mix"
    timeout_s: float = 600.0


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
