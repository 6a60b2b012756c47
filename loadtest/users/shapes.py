"""A shape, a peak and a length in; how many users there are at each moment, out."""

from collections.abc import Callable, Mapping

NUM_STEPS = 5
_BURST_EVERY, _BURST_LASTS = 0.2, 0.25
"""Of the whole length, and of that."""
_BURST_BASE = 0.2
"""Of the peak, between bursts."""
_SOAK = 0.7
"""Of the peak: a load that should go on for ever."""
_SOAK_RISES = 0.05
_RAMP_RISES = 0.8


def _step(progress: float) -> float:
    return (int(progress * NUM_STEPS) + 1) / NUM_STEPS


def _ramp(progress: float) -> float:
    return min(progress / _RAMP_RISES, 1.0)


def _burst(progress: float) -> float:
    place = progress % _BURST_EVERY / _BURST_EVERY
    return 1.0 if place >= 1 - _BURST_LASTS else _BURST_BASE


def _soak(progress: float) -> float:
    return _SOAK * min(progress / _SOAK_RISES, 1.0)


SHAPES: Mapping[str, Callable[[float], float]] = {
    "steady": lambda progress: 1.0,
    "step": _step,
    "ramp": _ramp,
    "burst": _burst,
    "soak": _soak,
}
"""The part of the peak that is there, by the part of the length that has passed."""


def users_at(shape: str, passed_s: float, *, peak: int, length_s: float) -> int | None:
    """At least one; None when the time is over. Without a length it is the peak, for ever.

    Raises:
        KeyError: there is no such shape.
    """
    if length_s <= 0:
        return peak
    if passed_s >= length_s:
        return None
    return max(1, round(peak * SHAPES[shape](passed_s / length_s)))
