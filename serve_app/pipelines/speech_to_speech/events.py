"""What a conversation tells. Utterances are numbered from 0; times are seconds of the stream."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from serve_app.errors import SpeechError
from serve_app.models.protocols import Speech

Outcome: TypeAlias = Literal["spoken", "written", "empty", "failed"]
"""What became of an utterance: it was told with its sound, without, held no words, or failed."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak; told at once, even while earlier utterances are under way."""

    utterance: int
    at_s: float


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The utterance is heard whole; told at once as well."""

    utterance: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Translated:
    """What an utterance means in the other language; each replaces the one before."""

    utterance: int
    source: str | None
    """ISO 639-1 of what was spoken; None where no word was."""
    target: str | None
    text: str
    source_text: str | None
    """What was said, where that was asked for."""
    start_s: float
    end_s: float
    is_final: bool = True
    latency_s: float | None = None
    """Since the end of the speech had arrived; None while it goes on."""


@dataclass(frozen=True, slots=True)
class Sound:
    """One sentence of it, spoken."""

    utterance: int
    part: int
    """Counts the sentences of the utterance, from 0."""
    speech: Speech
    latency_s: float | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """It could not be translated, or not be spoken; the conversation goes on."""

    utterance: int
    error: SpeechError


@dataclass(frozen=True, slots=True)
class Done:
    """All of an utterance is told; the last event of each, whatever became of it."""

    utterance: int
    outcome: Outcome
    text_s: float | None = None
    """From the arrival of the end of its speech to its whole text; None where it has none."""
    sound_s: float | None = None
    """And to its first sound; below zero where that came while it was still being spoken."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The stream has been heard to its end, and all is told."""


UtteranceEvent: TypeAlias = SpeechStarted | SpeechStopped | Translated | Sound | Failed | Done
ConversationEvent: TypeAlias = UtteranceEvent | Finished
