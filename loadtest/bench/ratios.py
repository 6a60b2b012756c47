"""Repeated ratios in, their median with a bootstrap confidence interval out."""

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_NUM_RESAMPLES = 2_000
_SEED = 7


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median, and where 95 of 100 medians of resampled values lie."""

    median: float
    low: float
    high: float
    num_values: int

    def shown(self, digits: int = 3) -> str:
        median = f"{self.median:,.{digits}f}"
        if self.num_values < 2:
            return median
        return f"{median} ({self.low:,.{digits}f} to {self.high:,.{digits}f})"

    def scaled(self, factor: float) -> "Estimate":
        return Estimate(
            self.median * factor, self.low * factor, self.high * factor, self.num_values
        )


def estimate(values: Sequence[float]) -> Estimate:
    """The percentile bootstrap of the median (Efron and Tibshirani 1993, chapter 13), seeded.

    Of a handful of values the interval is hardly narrower than their range; of one it is none.
    """
    rng = random.Random(_SEED)
    medians = sorted(
        statistics.median(rng.choices(values, k=len(values))) for _ in range(_NUM_RESAMPLES)
    )
    edge = int(0.025 * _NUM_RESAMPLES)
    return Estimate(statistics.median(values), medians[edge], medians[-edge - 1], len(values))


def pooled(pairs: Sequence[tuple[float, float]]) -> Estimate:
    """The ratio of two sums over the same units, with the bootstrap over the units: of batches, for
    example, whose audio and padded audio come in pairs."""
    rng = random.Random(_SEED)

    def ratio(chosen: Sequence[tuple[float, float]]) -> float:
        return sum(pair[0] for pair in chosen) / sum(pair[1] for pair in chosen)

    ratios = sorted(ratio(rng.choices(pairs, k=len(pairs))) for _ in range(_NUM_RESAMPLES))
    edge = int(0.025 * _NUM_RESAMPLES)
    return Estimate(ratio(pairs), ratios[edge], ratios[-edge - 1], len(pairs))


def between_neighbours(outer: Sequence[float], inner: Sequence[float]) -> list[float]:
    """Each of `inner` over the mean of the two of `outer` that it was taken between."""
    return [
        2 * value / (before + after)
        for value, before, after in zip(inner, outer, outer[1:], strict=False)
    ]


def of_neighbours(outer: Sequence[float]) -> list[float]:
    """Each over the one before: the control, 1 but for the moods of the machine."""
    return [after / before for before, after in pairwise(outer)]


def quantile(values: Sequence[float], share: float) -> float:
    """The least value that `share` of them do not exceed, which is one of them; nan of none."""
    if not values:
        return math.nan
    ascending = sorted(values)
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)]
