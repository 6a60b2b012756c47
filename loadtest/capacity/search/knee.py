"""A measurement that holds or breaks, in; the greatest load that holds out: climb, then halve."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

_OUTDONE = 2.0
"""What broke, though so many times as much held, broke of something else than load."""


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
        """The least load that broke, of those that much more did not outdo; None where there is
        none, and the knee lies higher."""
        most_held = max((each.load for each in self.tries if each.holds), default=0.0)
        broken = [
            each for each in self.tries if not each.holds and each.load * _OUTDONE > most_held
        ]
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
    known: Sequence[Try[T]] = (),
) -> Knee[T]:
    """Climb by `growth` from `start` until it breaks, or down until it holds; then halve the
    ratio of what broke and what held until it is at most 1 + `precision`.

    Args:
        least, most: no load outside is tried.
        whole: loads are whole numbers.
        has_time: asked before each measurement but the first.
        known: tries made before, the last of which held: from there it climbs, not from `start`.
    """
    tries: list[Try[T]] = list(known)

    def attempt(load: float) -> Try[T]:
        result = measure(load)
        tries.append(Try(load, result, holds(result)))
        return tries[-1]

    def fits(load: float) -> float:
        return float(round(load)) if whole else load

    begun = tries[-1] if tries else attempt(fits(min(max(start, least), most)))
    _climb(begun, attempt, fits, least=least, most=most, growth=growth, has_time=has_time)
    while has_time() and (middle := _middle(Knee(tuple(tries)), fits, precision)):
        attempt(middle)
    return Knee(tuple(tries))


def _middle(knee: Knee[T], fits: Callable[[float], float], precision: float) -> float | None:
    """Between what held and what broke; None where they are close enough, or one is missing."""
    if not (knee.held and knee.broken):
        return None
    low, high = knee.held.load, knee.broken.load
    middle = fits(math.sqrt(low * high))
    return None if high / low <= 1 + precision or middle in (low, high) else middle


def _climb(
    last: Try[T],
    attempt: Callable[[float], Try[T]],
    fits: Callable[[float], float],
    *,
    least: float,
    most: float,
    growth: float,
    has_time: Callable[[], bool],
) -> None:
    """Up until one breaks, or down until one holds, in greater steps, for trials that break take
    long; or to the end of what is allowed."""
    is_climbing = last.holds
    while has_time() and last.holds == is_climbing:
        following = fits(last.load * growth if is_climbing else last.load / growth**2)
        following = min(max(following, least), most)
        if following == last.load:
            return
        last = attempt(following)
