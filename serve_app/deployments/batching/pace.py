"""What a model's batches took in, how much audio a replica clears in a second when it is full out.

With little to do batches are small, and most of their time is what a batch takes however little is
in it. So the time of a batch is fitted as a line over its padded seconds, and the rate is that of a
full one. While all batches are alike, as single chunks are with too many replicas, they tell no
line: the one that others told before keeps its shape. Else few would be taken to be needed many.
"""

import math
from dataclasses import dataclass

from serve_app.config import BatchConfig

MOST_BATCHES_HELD = 16
"""By a replica, however fast it is: what it holds lies in its memory."""
_ROOM_FOR_CHUNKS = 2
"""More than the preprocessors hand over, so that Serve's router never finds a replica full: it
would ask again after up to half a second, in which the replica may run dry."""
_KEPT = 0.98
"""Of what was learnt, with each batch: some fifty are remembered."""
_TRUSTED_TIMES = 4.0
"""A line is followed no further than to so many times the largest batch of late."""
_LEAST_SPREAD = 0.05
"""Of sizes, as a part of their mean: below it they tell nothing of the line's slope."""
_SPREAD_TO_REMEMBER = 0.2
"""As above: below it the slope is not sure enough to outlast them."""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What one run of the model did, for the metrics."""

    num_chunks: int
    audio_s: float
    padded_s: float
    model_s: float


def max_ongoing_requests(config: BatchConfig) -> int:
    """Serve's bound on a replica's calls, which is none to wait at."""
    num_batches = max(MOST_BATCHES_HELD, config.max_batches_held)
    return math.ceil(_ROOM_FOR_CHUNKS * num_batches * config.max_batch_size)


class Pace:
    """Of one replica."""

    def __init__(self) -> None:
        self._weight = self._padded = self._model = self._squares = self._products = 0.0
        self._num_chunks = self._audio = 0.0
        self._largest = 0.0
        self._fixed_as_s = 0.0
        """What a batch costs however little is in it, as padded seconds: of the last sure line."""

    def ran(self, batch: BatchReport) -> None:
        """One batch has run."""
        size, took = batch.padded_s, batch.model_s
        self._weight = self._weight * _KEPT + 1.0
        self._padded = self._padded * _KEPT + size
        self._model = self._model * _KEPT + took
        self._squares = self._squares * _KEPT + size * size
        self._products = self._products * _KEPT + size * took
        self._num_chunks = self._num_chunks * _KEPT + batch.num_chunks
        self._audio = self._audio * _KEPT + batch.audio_s
        self._largest = max(self._largest * _KEPT, size)
        self._remember_shape()

    @property
    def chunk_s(self) -> float:
        """Audio in a chunk, on average; 0 before anything ran."""
        return self._audio / self._num_chunks if self._num_chunks else 0.0

    def num_batches_to_hold(self, config: BatchConfig) -> float:
        """Full batches that a replica may hold: `max_batches_held`, or the one in the model and
        what it clears in `window_s`."""
        full_s = self._time_of(self._full(config)) if self._has_measured else 0.0
        in_window = config.window_s / full_s if full_s else 0.0
        return max(config.max_batches_held, min(1.0 + in_window, MOST_BATCHES_HELD))

    def full_per_s(self, config: BatchConfig) -> float:
        """Audio seconds that are cleared in a second of full batches; 0 before anything ran."""
        if not self._has_measured:
            return 0.0
        full = self._full(config)
        return self._audio / self._padded * full / self._time_of(full)

    @property
    def _has_measured(self) -> bool:
        return self._padded > 0.0 and self._model > 0.0

    def _full(self, config: BatchConfig) -> float:
        """Padded seconds of the largest batch that can be told of."""
        by_count = config.max_batch_size * self._padded / self._num_chunks
        return min(config.max_batch_audio_s, by_count, _TRUSTED_TIMES * self._largest)

    def _time_of(self, size: float) -> float:
        """By least squares, with neither a negative start nor a negative slope."""
        mean_size, mean_time = self._padded / self._weight, self._model / self._weight
        slope = self._slope(_LEAST_SPREAD)
        if slope is None:
            return mean_time * (self._fixed_as_s + size) / (self._fixed_as_s + mean_size)
        if slope <= 0.0:
            return mean_time
        start = mean_time - slope * mean_size
        return start + slope * size if start > 0.0 else self._products / self._squares * size

    def _slope(self, least_spread: float) -> float | None:
        """Seconds for each padded second; None where the sizes are too much alike to tell."""
        mean_size, mean_time = self._padded / self._weight, self._model / self._weight
        spread = self._squares / self._weight - mean_size**2
        if spread <= (least_spread * mean_size) ** 2:
            return None
        return (self._products / self._weight - mean_size * mean_time) / spread

    def _remember_shape(self) -> None:
        slope = self._slope(_SPREAD_TO_REMEMBER)
        if slope is not None and slope > 0.0:
            start = self._model / self._weight - slope * self._padded / self._weight
            self._fixed_as_s = max(0.0, start / slope)
