"""What the rest of the server knows of a model: the types that cross the border, and the protocols.

Imports neither torch nor NeMo.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from serve_app.audio.waveform import Chunk
from serve_app.transcript.types import Hypothesis


@dataclass(frozen=True, slots=True)
class RecognitionOptions:
    """What one caller asks of one row of a batch; rows of a batch may differ in all of it."""

    language: str | None = None
    """ISO 639-1 of what is spoken; None lets the model find out, or take its only one."""
    target_language: str | None = None
    """ISO 639-1 of the text; None means the language that is spoken. Another asks to translate."""
    pnc: bool = True
    """Punctuation and capitals, for models that have the choice."""
    word_times: bool = True
    """Whether words are wanted with their times, where those cost extra."""
    logprobs: bool = False
    """Whether the hypothesis carries its tokens with their log-probabilities."""


@dataclass(frozen=True, slots=True)
class RecognitionRequest:
    """One row of a batch."""

    chunk: Chunk
    options: RecognitionOptions
    recording: str = ""
    """Names the recording that the chunk is of, so that recordings can take turns."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """A hypothesis, with what it cost to get."""

    hypothesis: Hypothesis
    queue_s: float
    """From its arrival at the replica until its batch began."""
    model_s: float
    """The whole time of the batch that it was in."""
    batch_size: int
    replica: str = ""
    """Names the replica of the model, so that callers can count how many there are."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a loaded model can do; clients see it at `/v1/models`."""

    name: str
    kind: str
    languages: tuple[str, ...]
    """ISO 639-1 codes that it recognises; empty means that the checkpoint does not say."""
    word_times: bool = True
    """Of transcripts; translations have none."""
    device: str = "cpu"
    simulated: bool = False


class DeviceMemoryError(Exception):
    """A batch did not fit into the device's memory; a smaller one may."""


class ModelBrokenError(Exception):
    """The model of this replica answers nobody any more; that of another one may."""


class Recognizer(Protocol):
    """An offline model on one device. Not thread-safe: one call at a time of each method."""

    info: ModelInfo

    def prepare(self, requests: Sequence[RecognitionRequest]) -> object:
        """Lay a batch out for the model; may run while `recognize` works on the batch before."""
        ...

    def recognize(self, prepared: object) -> list[Hypothesis]:
        """One hypothesis per request, in order.

        Raises:
            DeviceMemoryError: the batch was too large; the model stays usable.
        """
        ...


class ChunkRecognizer(Protocol):
    """A model somewhere behind a queue, as a pipeline sees it."""

    async def recognize(self, request: RecognitionRequest) -> Recognition:
        """Recognise one chunk in some batch.

        Raises:
            AtCapacityError: the model's queue is full.
            ModelUnavailableError: no replica answered, retries included.
            EngineError: the model failed on this chunk.
        """
        ...
