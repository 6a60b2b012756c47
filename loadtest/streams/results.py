"""What the benchmark of live streams found, and what follows from it by arithmetic."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.streams.engine import StepCost
from loadtest.streams.speakers import Stream

HELD_FINAL_S = 1.5
"""A stream whose final text comes later behind the end of its audio was not held at real time."""


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of seconds."""

    p50: float
    p95: float
    p99: float

    def __str__(self) -> str:
        return " / ".join(f"{value * 1000:.0f}" for value in (self.p50, self.p95, self.p99))


def quantiles(values: Sequence[float]) -> Quantiles:
    ascending = sorted(values)
    at = [ascending[min(len(ascending) - 1, int(len(ascending) * q))] for q in (0.5, 0.95, 0.99)]
    return Quantiles(*at)


@dataclass(frozen=True, slots=True)
class Level:
    """One number of streams, served at the same time."""

    streams: tuple[Stream, ...]

    @property
    def num_streams(self) -> int:
        return len(self.streams)

    @property
    def failures(self) -> list[str]:
        return [stream.failure for stream in self.streams if stream.failure is not None]

    @property
    def word_lag(self) -> Quantiles | None:
        lags_s = [lag for stream in self.streams for lag in stream.word_lags_s]
        return quantiles(lags_s) if lags_s else None

    @property
    def final_lag(self) -> Quantiles | None:
        lags_s = [s.final_lag_s for s in self.streams if s.final_lag_s is not None]
        return quantiles(lags_s) if lags_s else None

    @property
    def word_error_rate(self) -> float:
        num_words = sum(len(stream.recording.words) for stream in self.streams)
        return sum(stream.num_wrong for stream in self.streams) / num_words

    @property
    def is_held(self) -> bool:
        """Whether all came to their end, and 95 of 100 in time."""
        lag = self.final_lag
        return not self.failures and lag is not None and lag.p95 <= HELD_FINAL_S


@dataclass(frozen=True, slots=True)
class Results:
    """One run."""

    config: str
    model: str
    costs: Sequence[StepCost]
    levels: Sequence[Level]

    @property
    def most_held(self) -> Level | None:
        held = [level for level in self.levels if level.is_held]
        return max(held, key=lambda level: level.num_streams, default=None)

    @property
    def bound(self) -> int | None:
        """Streams whose fused step would take exactly the audio's time, by the line through the
        costs; None where it is beyond the slots that were measured and the line is flat."""
        if len(self.costs) < 2:
            return None
        slope, fixed = statistics.linear_regression(
            [cost.num_streams for cost in self.costs], [cost.step_s for cost in self.costs]
        )
        return int((self.costs[0].audio_s - fixed) / slope) if slope > 0 else None
