"""A measurement that holds or breaks, in; the greatest load that holds out: climb, then halve."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Try(Generic[T]):
    """One load, and what came of it."""

    load: float
    result: T
    holds: bool


@dataclass(frozen=True, slots=True)
class Knee(Generic[T]):
    """Where the objective breaks."""

    tries: tuple[Try[T], ...]
    """In the order in which they were made."""

    @property
    def held(self) -> Try[T] | None:
        """The greatest load that held below the least that broke: one that held above it was
        luck."""
        ceiling = self.broken.load if self.broken else math.inf
        held = [each for each in self.tries if each.holds and each.load < ceiling]
        return max(held, key=lambda each: each.load, default=None)

    @property
    def broken(self) -> Try[T] | None:
        """The least load that broke; None where all held, and the knee lies higher."""
        broken = [each for each in self.tries if not each.holds]
        return min(broken, key=lambda each: each.load, default=None)


def find_knee(
    measure: Callable[[float], T],
    holds: Callable[[T], bool],
    *,
    start: float,
    least: float,
    most: float,
    growth: float = 2.0,
    precision: float = 0.1,
    whole: bool = False,
    has_time: Callable[[], bool] = lambda: True,
) -> Knee[T]:
    """Climb by `growth` from `start` until it breaks, or down until it holds; then halve the
    ratio of what broke and what held until it is at most 1 + `precision`.

    Args:
        least, most: no load outside is tried.
        whole: loads are whole numbers.
        has_time: asked before each measurement but the first.
    """
    tries: list[Try[T]] = []

    def attempt(load: float) -> Try[T]:
        result = measure(load)
        tries.append(Try(load, result, holds(result)))
        return tries[-1]

    def fits(load: float) -> float:
        return float(round(load)) if whole else load

    _climb(attempt, fits, start=start, least=least, most=most, growth=growth, has_time=has_time)
    knee = Knee(tuple(tries))
    while has_time() and knee.held and knee.broken:
        low, high = knee.held.load, knee.broken.load
        middle = fits(math.sqrt(low * high))
        if high / low <= 1 + precision or middle in (low, high):
            break
        attempt(middle)
        knee = Knee(tuple(tries))
    return knee


def _climb(
    attempt: Callable[[float], Try[T]],
    fits: Callable[[float], float],
    *,
    start: float,
    least: float,
    most: float,
    growth: float,
    has_time: Callable[[], bool],
) -> None:
    """Up until one breaks, or down until one holds, in greater steps, for trials that break take
    long; or to the end of what is allowed."""
    last = attempt(fits(min(max(start, least), most)))
    is_climbing = last.holds
    while has_time() and last.holds == is_climbing:
        following = fits(last.load * growth if is_climbing else last.load / growth**2)
        following = min(max(following, least), most)
        if following == last.load:
            return
        last = attempt(following)
