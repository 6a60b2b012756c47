"""What a model says of a chunk (`Hypothesis`), what the server of a recording (`Transcript`)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """A word as it is written, punctuation included, with when it was said."""

    text: str
    start_s: float
    end_s: float
    confidence: float | None = None
    """Between 0 and 1, from the decoder; None where the decoder gives none."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token of the model's own vocabulary."""

    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The text of one chunk. Times count from the start of the chunk."""

    text: str
    words: tuple[Word, ...] | None = None
    """None where the model gives no word times; then none are invented."""
    tokens: tuple[Token, ...] | None = None
    """None unless asked for and given by the decoder."""
    language: str | None = None
    """ISO 639-1, of the text; None where the model does not say."""
    spoken_language: str | None = None
    """ISO 639-1, of the speech; differs from `language` in a translation."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a transcript: a sentence, or what was said between two pauses.

    Times count from the start of the recording.
    """

    text: str
    start_s: float
    end_s: float
    words: tuple[Word, ...] | None = None
    tokens: tuple[Token, ...] | None = None
    language: str | None = None
    spoken_language: str | None = None
    channel: int | None = None
    """Where each channel was heard for itself: which one, from 0."""
    speaker: str | None = None
    """Where speakers were told apart: `A`, `B`, … in the order of their first words."""

    @property
    def voice(self) -> str | None:
        """Who speaks, to show: `Speaker A`, `Channel 0`; None where nobody was told apart."""
        if self.speaker is not None:
            return f"Speaker {self.speaker}"
        return None if self.channel is None else f"Channel {self.channel}"


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Where the time of one request went, in seconds, summed over its chunks."""

    decode_s: float = 0.0
    queue_s: float = 0.0
    """Waiting in front of a model."""
    model_s: float = 0.0
    """In the model, each chunk counted with the whole time of its batch."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """Everything known of one recording."""

    segments: tuple[Segment, ...]
    duration_s: float
    model: str
    """The served name of the model."""
    language: str | None = None
    """Of the text, where all of it is in one."""
    spoken_language: str | None = None
    """Of the speech, where all of it is in one."""
    stage_times: StageTimes = StageTimes()

    @property
    def text(self) -> str:
        return " ".join(segment.text for segment in self.segments if segment.text)

    @property
    def words(self) -> tuple[Word, ...] | None:
        """All words in order, but for those of segments without times; None if none has any."""
        timed = [segment.words for segment in self.segments if segment.words is not None]
        if self.segments and not timed:
            return None
        return tuple(word for words in timed for word in words)
