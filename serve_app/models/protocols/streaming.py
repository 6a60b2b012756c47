"""Live streams: frames of occupied slots, in; a text for each frame, out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from serve_app.models.protocols.model import ModelInfo
from serve_app.transcript.types import Word


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
