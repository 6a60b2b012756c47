"""What the rest of the server knows of a model: the types that cross the border, and the protocols.

Imports neither torch nor NeMo.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from serve_app.audio.waveform import Chunk
from serve_app.telemetry.tracing import Trace
from serve_app.transcript.types import Hypothesis, Word


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
    hotwords: tuple[str, ...] = ()
    """Words and phrases that are likely to be said; for models that can be biased."""


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


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What one stream asks of the model; the streams of one step may differ in all of it."""

    language: str | None = None
    """ISO 639-1 of what is spoken; None lets the model find out, or take its only one."""
    target_language: str | None = None
    """ISO 639-1 of the text; None means the language that is spoken. Another asks to translate."""
    pnc: bool = True
    """Punctuation and capitals, for models that have the choice."""
    blank_s: float | None = None
    """A segment ends when it has words and the decoder has found no more for so long; None: only
    who sends the frames, and `max_segment_s`, end segments."""


@dataclass(frozen=True, slots=True)
class StreamFrame:
    """The next stretch of audio of one slot."""

    slot: int
    pcm: bytes
    """PCM16LE mono at `SAMPLE_RATE_HZ`: one step of it. Only the last of a segment may be shorter,
    down to nothing."""
    is_last: bool = False
    """Whether the segment ends behind it."""


@dataclass(frozen=True, slots=True)
class StreamText:
    """What a slot's segment says so far. Times count from the start of the segment."""

    confirmed: str
    """Never taken back; what comes later only extends it."""
    tentative: str = ""
    """What follows it for now. Empty when the segment has ended."""
    words: tuple[Word, ...] | None = None
    """Of a segment that has ended: its words with their times; None where the model gives none."""
    ended: Literal["asked", "blank", "length"] | None = None
    """Why the segment has ended behind this frame: its slot is as new. None: it goes on."""
    num_samples: int = 0
    """Of the segment, this frame included; where it has ended, without what was carried."""
    num_carried: int = 0
    """Frames, the last of those heard, that the next segment begins with: where this one was cut.
    The slot has heard them so, and gives no more texts for them."""
    language: str | None = None
    """ISO 639-1, of the text; None where the model does not say."""
    spoken_language: str | None = None


class StreamingRecognizer(Protocol):
    """A model with a fixed number of slots, one stream in each. Not thread-safe.

    A segment begins with the first frame after `occupy`, or where the one before was cut; steps are
    cut by sample position from there. So the frames of a segment give the same text again in any
    slot, in any company, at any pace.
    """

    info: ModelInfo
    num_slots: int
    step_samples: int
    """Of the audio that each step takes from each stream."""

    def occupy(self, slot: int, options: StreamOptions) -> None:
        """Begin a stream in a free slot."""
        ...

    def step(self, frames: Sequence[StreamFrame]) -> list[StreamText]:
        """Take the frames of any of the occupied slots, at most one of each; one text each."""
        ...

    def release(self, slot: int) -> None:
        """Forget the stream; the slot is free. Whatever was under way in it is lost."""
        ...


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
