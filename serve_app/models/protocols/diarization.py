"""Telling speakers apart: pieces of a recording, in; who speaks in each frame, out."""

from dataclasses import dataclass
from typing import Protocol

from serve_app.models.protocols.model import ModelInfo


class Diarizer(Protocol):
    """A model that tells the speakers of recordings apart, on one device. Not thread-safe."""

    info: ModelInfo
    num_speakers: int
    """The most that it can tell apart."""
    frame_s: float
    """What one of its frames is of."""

    def begin(self) -> object:
        """What it will remember of one recording; of bounded size, however long that gets."""
        ...

    def hear(self, memory: object, pcm: bytes, *, is_last: bool) -> bytes:
        """Take the next PCM16LE mono at `SAMPLE_RATE_HZ` of a recording, or the last of it.

        Returns:
            For each frame that is certain now, in order, a byte for each speaker: 255 where it
            certainly speaks. After the last piece no frame is missing.
        """
        ...


@dataclass(frozen=True, slots=True)
class DiarizationOpened:
    """A replica has begun to listen to a recording."""

    replica: str
    """Who remembers it, and alone can go on."""
    num_speakers: int
    frame_s: float


class RecordingDiarizer(Protocol):
    """A `Diarizer` somewhere that listens to one recording, as a pipeline sees it."""

    num_speakers: int
    frame_s: float

    async def hear(self, pcm: bytes, *, is_last: bool) -> bytes:
        """As `Diarizer.hear`.

        Raises:
            ModelUnavailableError: who listened is gone, and what it remembered with it.
            EngineError: the model failed on this piece.
        """
        ...
