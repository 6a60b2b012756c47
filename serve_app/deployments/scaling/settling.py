"""A wish that wavers in, a number of replicas that does not out. Pure."""

import math
from typing import Any

from ray.serve.config import AutoscalingContext

_ROOM_BELOW = 1.2
"""Going down must leave so much more than is needed, or the next small rise would undo it."""
_ROUNDING = 1e-9

BELOW, SINCE, PEAK = "below", "since", "peak"
"""In the policy's state: how many there are while fewer are wanted, since when, and the most that
was wanted in the later half of `downscale_delay_s`."""


def number(name: str, value: object) -> float:
    """A policy's setting, as YAML has it.

    Raises:
        ValueError: it is no finite number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} must be a number, and is {value!r}")
    return float(value)


def settled(
    wanted: float, context: AutoscalingContext, kept: dict[str, Any] | None = None
) -> tuple[int, dict[str, Any]]:
    """Up at once; down to the most that was wanted in the later half of `downscale_delay_s`.

    Serve's own rule takes what is wanted in the moment in which that delay is over, which may be a
    lull. The delay begins when this first says less than is there, so both look at the same time.
    Not the whole of it: a load that has fallen would be followed a replica at a time. `kept` goes
    into the state that is given back.
    """
    state = {} if kept is None else kept
    target, now = context.target_num_replicas, context.current_time or 0.0
    up = math.ceil(wanted - _ROUNDING)
    if up >= target:
        return up, state
    fewest = math.ceil(wanted * _ROOM_BELOW - _ROUNDING)
    if fewest >= target:
        return target, state
    before = context.policy_state or {}
    since, peak = now, 0
    if before.get(BELOW) == target:
        since, peak = before[SINCE], before[PEAK]
    delay_s = context.config.downscale_delay_s if context.config else 0.0
    if now - since >= delay_s / 2:
        peak = max(peak, fewest)
    return max(peak, fewest), state | {BELOW: target, SINCE: since, PEAK: peak}
