"""A server and an objective in; where it breaks, and what happens beyond, out."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from loadtest.bench.cpu import cpu_s_by_group, spent
from loadtest.bench.server import Server
from loadtest.capacity.results import Broken, Found
from loadtest.capacity.search.callers import Callers
from loadtest.capacity.search.knee import Knee, find_knee
from loadtest.capacity.search.trials import Objective, Trial, broken_streams, broken_uploads

Say = Callable[[str], None]

_IDLE_S = 4.0
_LONGER = 1.5
"""The trial that confirms the knee, over those that found it."""
_STEP_BACK = 0.9
_NUM_CONFIRMING = 3
_WARM_UP_S = 8.0
_UPLOADS_AHEAD, _STREAMS_AHEAD = 5.0, 4.0
"""Times a trial's length: what another one, the confirming one and the overload take."""
_MOST_TIMES = 1024.0
"""What is begun with: no load beyond is tried."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard to look."""

    trial_s: float = 20.0
    """Of uploads, of the clock."""
    start_per_s: float = 2.0
    """Uploads a second of the clock, to begin with."""
    growth: float = 2.0
    live_growth: float = 2.0
    start_streams: int = 4
    most_streams: int = 32
    precision: float = 0.1
    overload: float = 3.0
    """Times the knee; 0: that part is left out."""
    until: float = math.inf
    """When it should be done, of `time.monotonic`."""


def idle_cores(server: Server) -> Mapping[str, float]:
    """That a server takes while nobody asks, by group; nothing is known of one elsewhere."""
    if server.pid is None:
        return {}
    before, began_at = cpu_s_by_group(server.pid), time.monotonic()
    time.sleep(_IDLE_S)
    taken_s = time.monotonic() - began_at
    after = cpu_s_by_group(server.pid)
    return {group: cpu_s / taken_s for group, cpu_s in spent(before, after).items()}


def uploads_knee(callers: Callers, objective: Objective, effort: Effort, say: Say) -> Found:
    """Of uploads that come at random, whatever becomes of those before.

    Raises:
        BenchError: Locust did not run.
    """
    callers.uploads(effort.start_per_s, for_s=_WARM_UP_S)
    most = effort.start_per_s * _MOST_TIMES

    def measure(per_s: float) -> Trial:
        trial = callers.uploads(per_s, for_s=effort.trial_s)
        say(_told(f"{per_s * trial.dilation:.1f} uploads/s", trial, broken_uploads, objective))
        return trial

    knee = find_knee(
        measure,
        lambda trial: not broken_uploads(trial, objective),
        start=effort.start_per_s,
        least=effort.start_per_s / _MOST_TIMES,
        most=most,
        growth=effort.growth,
        precision=effort.precision,
        has_time=_has_time(effort, _UPLOADS_AHEAD * effort.trial_s),
    )
    longer = replace(effort, trial_s=effort.trial_s * _LONGER)

    def again(per_s: float) -> Trial:
        return callers.uploads(per_s, for_s=longer.trial_s)

    confirmed = _confirm(knee, again, broken_uploads, objective, longer, say)
    overload, is_out_of_time = None, _is_out_of_time(knee, effort, most, 0.0)
    if confirmed and effort.overload:
        overload = callers.uploads(confirmed.load * effort.overload, for_s=effort.trial_s)
        say(_told(f"{effort.overload:g} × that", overload, broken_uploads, objective))
    return Found(knee, confirmed, overload, is_out_of_time)


def streams_knee(callers: Callers, objective: Objective, effort: Effort, say: Say) -> Found:
    """Of live streams at once; there are no more slots than `most_streams`.

    Raises:
        BenchError: Locust did not run.
    """

    def measure(count: float) -> Trial:
        trial = callers.streams(int(count))
        say(_told(f"{count:.0f} streams", trial, broken_streams, objective))
        return trial

    stream_s = callers.live_dilation * max(each.duration_s for each in callers.speech.streams)
    knee = find_knee(
        measure,
        lambda trial: not broken_streams(trial, objective),
        start=min(effort.start_streams, effort.most_streams),
        least=1,
        most=effort.most_streams,
        growth=effort.live_growth,
        precision=effort.precision,
        whole=True,
        has_time=_has_time(effort, _STREAMS_AHEAD * stream_s),
    )

    def again(count: float) -> Trial:
        return callers.streams(max(1, int(count)))

    confirmed = _confirm(knee, again, broken_streams, objective, effort, say)
    overload = None
    if confirmed and effort.overload and confirmed.load >= effort.most_streams:
        overload = callers.streams(effort.most_streams + max(2, effort.most_streams // 8))
        say(_told("more than there are slots", overload, broken_streams, objective))
    return Found(knee, confirmed, overload, _is_out_of_time(knee, effort, effort.most_streams, 1.0))


def _confirm(
    knee: Knee[Trial], again: Callable[[float], Trial], broken: Broken, objective: Objective,
    effort: Effort, say: Say,
) -> Trial | None:  # fmt: skip
    """The knee once more; a tenth less where it does not hold twice."""
    if knee.held is None:
        return None
    load = knee.held.load
    for _ in range(_NUM_CONFIRMING):
        trial = again(load)
        say(_told("once more", trial, broken, objective))
        if not broken(trial, objective):
            return trial
        load *= _STEP_BACK
    return None


def _told(what: str, trial: Trial, broken: Broken, objective: Objective) -> str:
    complaints = broken(trial, objective)
    p95_s = trial.latency_s(0.95)
    return f"{what}: {'; '.join(complaints) if complaints else f'held, p95 {p95_s:.3f} s'}"


def _has_time(effort: Effort, needed_s: float) -> Callable[[], bool]:
    """Whether another trial, and those that follow, can still be made."""
    return lambda: time.monotonic() + needed_s < effort.until


def _is_out_of_time(knee: Knee[Trial], effort: Effort, most: float, least_step: float) -> bool:
    if knee.held is None:
        return False
    if knee.broken is None:
        return knee.held.load < most
    step = knee.broken.load - knee.held.load
    return knee.broken.load / knee.held.load > 1 + effort.precision and step > least_step
