"""Trials in, what they come to out: requests by their fate, and how long until all is as before."""

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loadtest.faults.clients.told import (
    LATE,
    NOT_ACCEPTED,
    OF_THE_WIRE,
    OK,
    SERVER,
    WRONG,
    Request,
    bad_attempts,
)
from loadtest.faults.trial import Trial

WIRES = ("upload", "SSE", "job", "live")
WINDOW_S = 3.0
_SLOW, _SLOW_BY_S = 2.0, 0.1
"""A window whose median is so many times that of before, and so much longer, is not as before."""
_FOREVER_S = 1e9


@dataclass(frozen=True, slots=True)
class Fates:
    """Of the requests of one wire, or of all, that the fault may have met: not ended before it."""

    num_requests: int
    num_undisturbed: int
    refused: int
    """Attempts that were not accepted; then answered."""
    wire: int
    """Attempts whose connection, or whose ingress, ended under them."""
    server: int
    """Accepted, and lost by a server that lived: its own error, or no answer in a minute."""
    wrong: int
    never: int
    num_words: int
    num_lost_words: int
    num_repeated_words: int
    num_other_words: int
    details: Counter[str]


def met(trial: Trial) -> list[Request]:
    return [each for each in trial.requests if each.ended_at >= 0]


def fates(requests: Iterable[Request]) -> Fates:
    requests = list(requests)
    bad = Counter(each.outcome for each in bad_attempts(requests))
    details = Counter(f"{each.outcome}: {each.detail}" for each in bad_attempts(requests))
    return Fates(
        num_requests=len(requests),
        num_undisturbed=sum(each.is_undisturbed for each in requests),
        refused=sum(bad[outcome] for outcome in NOT_ACCEPTED),
        wire=sum(bad[outcome] for outcome in OF_THE_WIRE),
        server=bad[SERVER] + bad[LATE],
        wrong=bad[WRONG],
        never=sum(not each.is_answered for each in requests),
        num_words=sum(each.words.num_words for each in requests),
        num_lost_words=sum(each.words.num_lost for each in requests),
        num_repeated_words=sum(each.words.num_repeated for each in requests),
        num_other_words=sum(each.words.num_other for each in requests),
        details=details,
    )


@dataclass(frozen=True, slots=True)
class Recovery:
    calm_median_s: float
    """Of an upload, before the fault."""
    last_failure_s: float
    """When the last attempt that failed had begun; 0: none did."""
    as_before_s: float
    """From then on uploads took no longer than before, and none failed; infinite: never seen."""
    longest_silence_s: float
    """Of a live stream, less what an undisturbed one has."""
    slowest_s: float
    """Of the requests that were answered, jobs and streams aside."""


def recovery(trial: Trial) -> Recovery:
    uploads = [each for each in trial.requests if each.wire == "upload"]
    calm = [each.took_s for each in uploads if each.ended_at < 0]
    calm_s = statistics.median(calm) if calm else 0.0
    failed = [each for each in bad_attempts(trial.requests) if each.ended_at >= 0]
    last_failure_s = max((max(0.0, each.began_at) for each in failed), default=0.0)
    slow_until_s = _slow_until_s(uploads, calm_s, trial.ended_s)
    streams = [each for each in trial.requests if each.wire == "live"]
    usual_s = max((each.silence_s for each in streams if each.ended_at < 0), default=0.0)
    longest_s = max((each.silence_s for each in streams if each.ended_at >= 0), default=0.0)
    quick = [each for each in met(trial) if each.wire in ("upload", "SSE") and each.is_answered]
    return Recovery(
        calm_s,
        last_failure_s,
        max(last_failure_s, slow_until_s),
        max(0.0, longest_s - usual_s),
        max((each.took_s for each in quick), default=0.0),
    )


def _slow_until_s(uploads: Sequence[Request], calm_s: float, ended_s: float) -> float:
    """The end of the last window whose uploads were slow, or unanswered."""
    limit_s = max(_SLOW * calm_s, calm_s + _SLOW_BY_S)
    until_s, start = 0.0, 0.0
    while start < ended_s:
        took = [
            each.took_s if each.is_answered else _FOREVER_S
            for each in uploads
            if start <= each.began_at < start + WINDOW_S
        ]
        if took and statistics.median(took) > limit_s:
            until_s = start + WINDOW_S
        start += WINDOW_S
    return until_s


def is_kept(trial: Trial) -> bool:
    """Whether the server kept its word: nothing accepted was lost by a server that lived, each was
    answered in the end, and no word was lost or said twice."""
    found = fates(trial.requests)
    return not (found.server or found.wrong or found.never) and all(
        each.outcome in (OK, *NOT_ACCEPTED, *OF_THE_WIRE) for each in bad_attempts(trial.requests)
    )
