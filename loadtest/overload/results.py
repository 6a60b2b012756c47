"""Outcomes in; goodput and its ratio to the peak with a confidence interval out."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loadtest.overload.callers import Outcome

_T_95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)
"""Student's t for 95 %, two-sided, by degrees of freedom from 1."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One load, held for a while: its outcomes, and the part of the time that counts."""

    outcomes: tuple[Outcome, ...]
    counts_from: float
    counts_until: float

    @property
    def goodput(self) -> float:
        """Audio seconds answered per second, in the time that counts."""
        answered = [each for each in self._counted if each.is_answered]
        return sum(each.audio_s for each in answered) / (self.counts_until - self.counts_from)

    @property
    def answered_per_s(self) -> float:
        answered = [each for each in self._counted if each.is_answered]
        return len(answered) / (self.counts_until - self.counts_from)

    @property
    def failures(self) -> list[Outcome]:
        """What was neither answered nor refused as it should be."""
        return [each for each in self.outcomes if not each.is_answered and not each.is_refused]

    @property
    def _counted(self) -> list[Outcome]:
        return [
            each
            for each in self.outcomes
            if self.counts_from <= each.answered_at < self.counts_until
        ]


@dataclass(frozen=True, slots=True)
class Repetition:
    """The peak, twice as much, ten times as much, the peak again."""

    before: Phase
    double: Phase
    tenfold: Phase
    after: Phase

    @property
    def peak(self) -> float:
        return (self.before.goodput + self.after.goodput) / 2

    @property
    def ratio(self) -> float:
        return self.tenfold.goodput / self.peak

    @property
    def double_ratio(self) -> float:
        return self.double.goodput / self.peak

    @property
    def control(self) -> float:
        """One peak by the other: 1, but for the noise of the machine."""
        return self.after.goodput / self.before.goodput

    @property
    def phases(self) -> tuple[Phase, ...]:
        return (self.before, self.double, self.tenfold, self.after)


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % confidence interval; none of a single value."""

    mean: float
    half_width: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.half_width:.3f}"


def interval(values: Sequence[float]) -> Interval:
    mean = statistics.fmean(values)
    freedom = len(values) - 1
    if not freedom:
        return Interval(mean, math.nan)
    t = _T_95[min(freedom, len(_T_95)) - 1]
    return Interval(mean, t * statistics.stdev(values) / math.sqrt(len(values)))


def refusal_times_s(phases: Iterable[Phase]) -> list[float]:
    """Ascending."""
    return sorted(each.took_s for phase in phases for each in phase.outcomes if each.is_refused)
