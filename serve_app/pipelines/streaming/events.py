"""What a session tells its wire. Times are seconds from the start of the stream."""

from dataclasses import dataclass
from typing import TypeAlias

from serve_app.transcript.types import Segment


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak; only where voice activity is watched."""

    at_s: float
    """Where the speech begins, its padding included."""


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """Nobody speaks any more; the segment's final text follows."""

    at_s: float
    """Where the speech ended."""


@dataclass(frozen=True, slots=True)
class Partial:
    """What the segment under way says so far; sent when it has changed."""

    confirmed: str
    """Only ever grows within a segment, and begins the final text of it."""
    tentative: str
    """What follows it for now, and may change."""
    start_s: float
    """Where the segment begins."""
    heard_s: float
    """How far the stream has been heard."""


@dataclass(frozen=True, slots=True)
class Final:
    """A segment that has ended; never said twice, never taken back. Empty ones are not told,
    unless they end an utterance."""

    segment: Segment
    ends_utterance: bool
    """Whether voice activity, a commit or the end of the stream ended it; if not, the same
    utterance goes on in the next segment (it was too long, or its decoder saw a pause)."""
    end_s: float
    """How far the stream is final: audio before it is not needed again."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The stream has been heard to its end."""

    heard_s: float


StreamEvent: TypeAlias = SpeechStarted | SpeechStopped | Partial | Final | Finished
