"""A server and an objective in; where it breaks, and what happens beyond, out."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from loadtest.bench.cpu import cpu_s_by_group, spent
from loadtest.bench.server import Server
from loadtest.capacity.results import Broken, Found
from loadtest.capacity.search.callers import Callers
from loadtest.capacity.search.knee import Knee, Try, find_knee
from loadtest.capacity.search.trials import Objective, Trial, broken_streams, broken_uploads

Say = Callable[[str], None]

_IDLE_S = 4.0
_LONGER = 1.5
"""The trial that confirms the knee, over those that found it."""
_STEP_BACK = 0.9
_NUM_CONFIRMING = 3
_WARM_UP_S = 8.0
_UPLOADS_AHEAD, _STREAMS_AHEAD = 5.0, 5.0
"""Times a trial's length: what another one, the confirming one and the overload take."""
_MOST_TIMES = 1024.0
"""What is begun with: no load beyond is tried."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard to look."""

    trial_s: float = 20.0
    """Of uploads, of the clock."""
    stream_s: float = 24.0
    """Of each live stream, of the clock: a lag that grows must have the time to show it."""
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
    has_time = _has_time(effort, _UPLOADS_AHEAD * effort.trial_s)
    found = _uploads_once(callers, objective, effort, say, known=())
    while found.is_outdone and has_time():
        found = _uploads_once(callers, objective, effort, say, known=found.knee.tries)
    return found


def _uploads_once(
    callers: Callers, objective: Objective, effort: Effort, say: Say, *,
    known: Sequence[Try[Trial]],
) -> Found:  # fmt: skip
    """The knee, confirmed, and more than that; from `known` on, of which the last one held."""
    most = max(effort.start_per_s * _MOST_TIMES, *(each.load for each in known), 0.0)

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
        known=known,
    )

    def again(per_s: float) -> Trial:
        return callers.uploads(per_s, for_s=effort.trial_s * _LONGER)

    confirmed = _confirm(knee, again, broken_uploads, objective, say)
    overload = None
    if confirmed and effort.overload:
        overload = callers.uploads(confirmed.load * effort.overload, for_s=effort.trial_s)
        say(_told(f"{effort.overload:g} × that", overload, broken_uploads, objective))
    found = Found(knee, confirmed, None, _is_out_of_time(knee, effort, most, 0.0))
    return _overloaded(found, overload, broken_uploads, objective)


def streams_knee(callers: Callers, objective: Objective, effort: Effort, say: Say) -> Found:
    """Of live streams at once; there are no more slots than `most_streams`.

    Raises:
        BenchError: Locust did not run.
    """

    def measure(count: float) -> Trial:
        trial = callers.streams(int(count), for_s=effort.stream_s)
        say(_told(f"{count:.0f} streams", trial, broken_streams, objective))
        return trial

    knee = find_knee(
        measure,
        lambda trial: not broken_streams(trial, objective),
        start=min(effort.start_streams, effort.most_streams),
        least=1,
        most=effort.most_streams,
        growth=effort.live_growth,
        precision=effort.precision,
        whole=True,
        has_time=_has_time(effort, _STREAMS_AHEAD * effort.stream_s),
    )

    def again(count: float) -> Trial:
        return callers.streams(max(1, int(count)), for_s=effort.stream_s * _LONGER)

    confirmed = _confirm(knee, again, broken_streams, objective, say)
    overload, most = None, effort.most_streams
    if confirmed and effort.overload and confirmed.load >= most:
        overload = callers.streams(most + max(2, most // 8), for_s=effort.stream_s)
        say(_told("more than there are slots", overload, broken_streams, objective))
    found = Found(knee, confirmed, None, _is_out_of_time(knee, effort, most, 1.0))
    return _overloaded(found, overload, broken_streams, objective)


def _overloaded(
    found: Found, overload: Trial | None, broken: Broken, objective: Objective
) -> Found:
    """What breaks with more tells what happens when it is full. What holds does not: it is one more
    load that holds, and the knee lies higher."""
    if overload is None or broken(overload, objective):
        return replace(found, overload=overload)
    knee = Knee((*found.knee.tries, Try(overload.load, overload, holds=True)))
    return replace(found, knee=knee, is_outdone=knee.held is knee.tries[-1])


def _confirm(
    knee: Knee[Trial], again: Callable[[float], Trial], broken: Broken, objective: Objective,
    say: Say,
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
