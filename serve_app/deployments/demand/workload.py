"""What one preprocessor has under way for one model, and how fast it gets on. Pure.

The rate is that of the whole way behind the ingress, decoders and hops included, since whichever
of them is slowest is what a newcomer waits for. It is measured only while there is more to do than
one batch holds: with less, it would tell how much is asked for, not how much can be done.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from serve_app.config import BatchConfig
from serve_app.pipelines.load import ModelLoad

_MEMORIES_S = (5.0, 60.0)
"""Of full time. The shorter one follows a rush at once; the longer one outlasts a long batch."""
_TRUSTED_AFTER_S = 1.0
"""Of full time, before a rate is told."""
ARRIVALS_MEMORY_S = 30.0
"""Long enough for many clips, whose lengths differ: half of it doubles what too many replicas are
kept for. A rush shows in what waits long before."""

Clock = Callable[[], float]


class Underway:
    """One recording: what it is expected to hold, and what has been done of it."""

    def __init__(
        self,
        expected_s: float,
        count: Callable[[float], None],
        correct: Callable[[float], None],
    ) -> None:
        """`count` is told what was done, `correct` by how much the expectation was wrong."""
        self._expected_s = expected_s
        self._count = count
        self._correct = correct
        self._decoded_s = 0.0
        self._done_s = 0.0
        self.is_held_back: Callable[[], bool] = lambda: False
        """Whether its decoder waits for the model."""

    @property
    def remaining_s(self) -> float:
        return max(0.0, max(self._expected_s, self._decoded_s) - self._done_s)

    @property
    def ready_s(self) -> float:
        """What is decoded and not done."""
        return max(0.0, self._decoded_s - self._done_s)

    def decoded(self, audio_s: float) -> None:
        """More of it has left the decoder."""
        self._decoded_s += audio_s

    def decoded_all(self) -> None:
        """Its length is known now, whatever was expected; said again, it changes nothing."""
        self._correct(self._decoded_s - self._expected_s)
        self._expected_s = self._decoded_s

    def settled(self, at_s: float) -> None:
        """Up to here nothing is left to do: what was no speech has been passed over."""
        self._done_s = max(self._done_s, at_s)

    def done(self, audio_s: float) -> None:
        """More of it has been recognised."""
        self._done_s += audio_s
        self._count(audio_s)


class Workload:
    """All recordings of one model in this process."""

    def __init__(self, model: str, batch: BatchConfig, clock: Clock = time.monotonic) -> None:
        self._model = model
        self._batch = batch
        self._rates = tuple(_Rate(memory_s, clock) for memory_s in _MEMORIES_S)
        self._arrivals = _Arrivals(clock)
        self._recordings: set[Underway] = set()
        self._was_full = False

    @contextmanager
    def recording(self, expected_s: float) -> Iterator[Underway]:
        """One recording, for as long as it is under way. Nothing is expected of one for which
        nobody waits; it is no arrival then."""
        correct = self._arrivals.add(expected_s) if expected_s else _nothing
        progress = Underway(expected_s, self._count, correct)
        self._recordings.add(progress)
        self._advance()
        try:
            yield progress
        finally:
            # What was refused, or left by its client, has brought no more than was decoded.
            progress.decoded_all()
            self._recordings.discard(progress)
            self._advance()

    def load(self) -> ModelLoad:
        self._advance()
        rates = [rate.per_s for rate in self._rates if rate.per_s is not None]
        return ModelLoad(
            self._model,
            len(self._recordings),
            self._remaining_s,
            max(rates, default=None),
        )

    @property
    def arriving_per_s(self) -> float:
        """Audio seconds a second, as expected; over the last `ARRIVALS_MEMORY_S`, so to speak."""
        return self._arrivals.per_s

    def wanted_s(self, *, is_held_back: bool) -> float:
        """Audio that more replicas could work on. What is not decoded counts only where decoding
        waits for the model: where the decoders are what is slow, more replicas would idle."""
        return sum(
            each.remaining_s if is_held_back or each.is_held_back() else each.ready_s
            for each in self._recordings
        )

    @property
    def _remaining_s(self) -> float:
        return sum(progress.remaining_s for progress in self._recordings)

    @property
    def _is_full(self) -> bool:
        """Whether there is more to do than one batch holds."""
        is_many = len(self._recordings) > self._batch.max_batch_size
        return is_many or self._remaining_s > self._batch.max_batch_audio_s

    def _count(self, audio_s: float) -> None:
        """Called after `audio_s` were taken off what remains."""
        self._advance(just_done_s=audio_s)

    def _advance(self, just_done_s: float = 0.0) -> None:
        is_full = self._was_full
        for rate in self._rates:
            rate.advance(just_done_s, is_full=is_full)
        self._was_full = self._is_full


def _nothing(_: float) -> None:
    pass


class _Arrivals:
    """Audio that arrives in a second, forgotten exponentially."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at = clock()
        self._audio_s = 0.0

    @property
    def per_s(self) -> float:
        self._fade()
        return max(0.0, self._audio_s) / ARRIVALS_MEMORY_S

    def add(self, audio_s: float) -> Callable[[float], None]:
        """Something has arrived; what is given back takes by how much its length was wrong."""
        arrived_at = self._fade()
        self._audio_s += audio_s

        def correct(by_s: float) -> None:
            # As much of the error is left as of the arrival itself.
            now = self._fade()
            self._audio_s += by_s * math.exp((arrived_at - now) / ARRIVALS_MEMORY_S)

        return correct

    def _fade(self) -> float:
        """Until now, which is given back."""
        now = self._clock()
        self._audio_s *= math.exp((self._at - now) / ARRIVALS_MEMORY_S)
        self._at = now
        return now


class _Rate:
    """Audio done per second of full time, forgotten exponentially; other time counts for nothing.

    By Little's law what is under way, divided by this, is how long it stays.
    """

    def __init__(self, memory_s: float, clock: Clock) -> None:
        self._memory_s = memory_s
        self._clock = clock
        self._at = clock()
        self._full_s = 0.0
        self._trusted_s = 0.0
        self._audio_s = 0.0

    @property
    def per_s(self) -> float | None:
        if self._trusted_s < _TRUSTED_AFTER_S or not self._audio_s:
            return None
        return self._audio_s / self._full_s

    def advance(self, audio_s: float, *, is_full: bool) -> None:
        """Account for the time since the last call, which ended with `audio_s` done."""
        now = self._clock()
        passed_s, self._at = now - self._at, now
        if is_full:
            kept = math.exp(-passed_s / self._memory_s)
            self._audio_s = self._audio_s * kept + audio_s
            self._full_s = self._full_s * kept + self._memory_s * (1.0 - kept)
            self._trusted_s += passed_s
