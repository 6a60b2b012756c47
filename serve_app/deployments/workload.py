"""What one preprocessor has under way for one model, and how fast it gets on. Pure.

The rate is that of the whole way behind the ingress, decoders and hops included, since whichever
of them is slowest is what a newcomer waits for.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from serve_app.pipelines.load import ModelLoad

_MEMORIES_S = (5.0, 60.0)
"""Of busy time. The shorter one follows a rush at once; the longer one outlasts a long batch."""
_TRUSTED_AFTER_S = 1.0
"""Of busy time, before a rate is told."""

Clock = Callable[[], float]


class Progress:
    """One recording: what it is expected to hold, and what has been done of it."""

    def __init__(self, expected_s: float, count: Callable[[float], None]) -> None:
        self._expected_s = expected_s
        self._count = count
        self._decoded_s = 0.0
        self._done_s = 0.0

    @property
    def remaining_s(self) -> float:
        return max(0.0, max(self._expected_s, self._decoded_s) - self._done_s)

    def decoded(self, audio_s: float) -> None:
        """More of it has left the decoder."""
        self._decoded_s += audio_s

    def decoded_all(self) -> None:
        """Its length is known now, whatever was expected."""
        self._expected_s = self._decoded_s

    def done(self, audio_s: float) -> None:
        """More of it has been recognised."""
        self._done_s += audio_s
        self._count(audio_s)


class Workload:
    """All recordings of one model in this process."""

    def __init__(self, model: str, clock: Clock = time.monotonic) -> None:
        self._model = model
        self._rates = tuple(_Rate(memory_s, clock) for memory_s in _MEMORIES_S)
        self._recordings: set[Progress] = set()

    @contextmanager
    def recording(self, expected_s: float) -> Iterator[Progress]:
        """One recording, for as long as it is under way."""
        progress = Progress(expected_s, self._count)
        self._advance()
        self._recordings.add(progress)
        try:
            yield progress
        finally:
            self._advance()
            self._recordings.discard(progress)

    def load(self) -> ModelLoad:
        self._advance()
        rates = [rate.per_s for rate in self._rates if rate.per_s is not None]
        return ModelLoad(
            self._model,
            len(self._recordings),
            sum(progress.remaining_s for progress in self._recordings),
            max(rates, default=None),
        )

    def _count(self, audio_s: float) -> None:
        self._advance()
        for rate in self._rates:
            rate.audio_s += audio_s

    def _advance(self) -> None:
        for rate in self._rates:
            rate.advance(is_busy=bool(self._recordings))


class _Rate:
    """Audio done per second of busy time, forgotten exponentially; idle time counts for nothing.

    By Little's law what is under way, divided by this, is how long it stays: also where the work
    is less than could be done, for then it is how long a recording takes.
    """

    def __init__(self, memory_s: float, clock: Clock) -> None:
        self._memory_s = memory_s
        self._clock = clock
        self._at = clock()
        self._busy_s = 0.0
        self._trusted_s = 0.0
        self.audio_s = 0.0

    @property
    def per_s(self) -> float | None:
        if self._trusted_s < _TRUSTED_AFTER_S or not self.audio_s:
            return None
        return self.audio_s / self._busy_s

    def advance(self, *, is_busy: bool) -> None:
        """Account for the time since the last call; `is_busy` says how it was spent."""
        now = self._clock()
        passed_s, self._at = now - self._at, now
        if is_busy:
            kept = math.exp(-passed_s / self._memory_s)
            self.audio_s *= kept
            self._busy_s = self._busy_s * kept + self._memory_s * (1.0 - kept)
            self._trusted_s += passed_s
