"""When a segment ends by itself, and how much of it the next one hears again.

A decoder says a word some time after it was spoken, so the quiet that ends a segment may hold the
beginning of the next word. The segment is therefore cut within that quiet, at a whole step: what
lies behind the cut belongs to the next segment, which hears it again.
"""

from dataclasses import dataclass
from typing import Literal

from serve_app.audio.waveform import SAMPLE_RATE_HZ

_CARRIED_PART = 0.75
"""Of the quiet."""
_MOST_CARRIED_S = 1.0
_SEEKS_FROM = 0.8
"""Of the longest a segment may be: from there on it looks for a pause to end in."""
_FIRST_PAUSE_S = 1.0
"""Which pause would do there; at the longest any does."""


@dataclass(frozen=True, slots=True)
class OwnEnd:
    """Why a segment ends, and how many of its last steps are of the next one."""

    reason: Literal["blank", "length"]
    num_carried: int


@dataclass(frozen=True, slots=True)
class EndRule:
    """A function of sample positions and of what the decoder found: the same frames end a segment
    at the same place again."""

    step_samples: int
    max_samples: int

    def end_of(
        self, num_samples: int, quiet_s: float | None, blank_s: float | None
    ) -> OwnEnd | None:
        """Whether a segment ends at `num_samples`. `quiet_s`: since its last word, None where it
        has none; `blank_s`: the quiet after words that ends it, if any does. Until a segment is
        at its longest, a pause in which no whole step can be carried does not end it."""
        has_words = quiet_s is not None
        quiet = round(quiet_s * SAMPLE_RATE_HZ) if quiet_s is not None else num_samples
        num_carried = self._num_carried(quiet, blank_s)
        if num_samples >= self.max_samples:
            return OwnEnd("length", num_carried)
        if not num_carried:
            return None
        if has_words and blank_s is not None and quiet >= round(blank_s * SAMPLE_RATE_HZ):
            return OwnEnd("blank", num_carried)
        seeking = (num_samples / self.max_samples - _SEEKS_FROM) / (1 - _SEEKS_FROM)
        if seeking >= 0 and quiet >= _FIRST_PAUSE_S * (1 - seeking) * SAMPLE_RATE_HZ:
            return OwnEnd("length", num_carried)
        return None

    @property
    def most_carried(self) -> int:
        """Frames: of a second, or one that is longer; never most of a segment."""
        most = max(int(_MOST_CARRIED_S * SAMPLE_RATE_HZ), self.step_samples)
        return min(most, self.max_samples // 2) // self.step_samples

    def _num_carried(self, quiet: int, blank_s: float | None) -> int:
        """So few that the next segment cannot end within them, neither by quiet nor by length."""
        num_quiet = int(_CARRIED_PART * quiet) // self.step_samples
        if blank_s is not None:
            quiet_that_ends = max(
                round(blank_s * SAMPLE_RATE_HZ), int(self.step_samples / _CARRIED_PART)
            )
            num_quiet = min(num_quiet, (quiet_that_ends - 1) // self.step_samples)
        return min(num_quiet, self.most_carried)
