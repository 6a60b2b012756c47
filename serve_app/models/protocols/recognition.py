"""Recordings: rows of a batch, in; a hypothesis for each, out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from serve_app.audio.waveform import Chunk
from serve_app.models.protocols.model import ModelInfo
from serve_app.telemetry.tracing import Trace
from serve_app.transcript.types import Hypothesis


@dataclass(frozen=True, slots=True)
class RecognitionOptions:
    """What one caller asks of one row of a batch; rows of a batch may differ in all of it."""

    language: str | None = None
    """ISO 639-1 of what is spoken; None lets the model find out, or take its only one."""
    target_language: str | None = None
    """ISO 639-1 of the text; None means the language that is spoken. Another asks to translate."""
    among: tuple[str, ...] = ()
    """Where no `language` is named: the model finds out which of these is spoken, and thinks of no
    other. Empty: any that it knows."""
    crosses: bool = False
    """Of two that stand in `among`, the text is in the one that is not spoken."""
    pnc: bool = True
    """Punctuation and capitals, for models that have the choice."""
    word_times: bool = True
    """Whether words are wanted with their times, where those cost extra."""
    logprobs: bool = False
    """Whether the hypothesis carries its tokens with their log-probabilities."""
    hotwords: tuple[str, ...] = ()
    """Words and phrases that are likely to be said; for models that can be biased."""

    def target_for(self, spoken: str | None) -> str | None:
        """What the text shall be in where `spoken` is what is spoken; None: that itself."""
        if not self.crosses or spoken not in self.among:
            return self.target_language
        return next((other for other in self.among if other != spoken), None)


@dataclass(frozen=True, slots=True)
class Demand:
    """What a caller has to do for one model in all, told along with each request."""

    caller: str
    told_at: float
    """By the caller's clock, seconds since 1970; those of nodes may differ by a few seconds."""
    waiting_audio_s: float
    """That could go to the model now, and that is with it."""
    arriving_audio_s_per_s: float
    """Of late, those that wait apart: jobs are patient."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much of one caller's a replica may hold at once."""

    audio_s: float
    num_chunks: float


@dataclass(frozen=True, slots=True)
class RecognitionRequest:
    """One row of a batch."""

    chunk: Chunk
    options: RecognitionOptions
    recording: str = ""
    """Names the recording that the chunk is of, so that recordings can take turns."""
    previous_text: str = ""
    """The last words before the chunk, for models that take context."""
    demand: Demand | None = None
    """What its caller has to do in all, so that the model's replicas know of it."""
    trace: Trace | None = None
    """Where in a trace it is asked for; None: nobody traces it."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """A hypothesis, with what it cost to get."""

    hypothesis: Hypothesis
    queue_s: float
    """Until its batch began, from when it could have gone to a replica that held less."""
    model_s: float
    """The whole time of the batch that it was in."""
    batch_size: int
    replica: str = ""
    """Names the replica of the model, so that callers can count how many there are."""
    allowance: Allowance | None = None
    """What this caller may have with that replica; None: it does not say."""


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
