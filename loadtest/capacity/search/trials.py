"""What the users recorded in a trial, in; its percentiles, and why it broke the objective, out."""

import json
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from loadtest.capacity.search.engine import EngineWork

Kind: TypeAlias = Literal["uploads", "streams"]

_NUM_BLOCKS = 6
_T_95 = 2.13
"""Student's t for 95 % one-sided with the four degrees of freedom that six blocks leave."""
_HOLD_S = 60.0
"""A wait that grows is judged by what it would be after so long."""
_LATE_SHARE = 0.25
"""Of the objective: callers that send so much later than they are due measure themselves. What
they are late counts as waiting in any case."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What users are promised, at full speed."""

    upload_p95_s: float = 2.0
    """From the last byte of the upload to the text."""
    final_p95_s: float = 1.0
    """From the end of a live stream's audio to its final text."""
    live_lag_p95_s: float = 1.0
    """From what is said to its text on show, while it is spoken."""
    max_error_rate: float = 0.15
    """Of words."""
    max_refused: float = 0.01
    """Part of the uploads that may be told to come later; any other error breaks it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one upload or one stream fared; seconds of the clock, from when it was due."""

    at_s: float
    took_s: float
    audio_s: float
    error: str = ""
    num_words: int = 0
    num_wrong: int = 0
    late_s: float = 0.0
    """That its caller was."""
    lags_s: tuple[float, ...] = ()
    lags_at_s: tuple[float, ...] = ()
    """When each of them was, by a clock that all streams of a trial share."""
    simulated: bool = False

    @property
    def is_refused(self) -> bool:
        """Told to come later, which is what a full server should do."""
        return any(word in self.error for word in ("429", "at_capacity", "uploads_full"))


@dataclass(frozen=True, slots=True)
class Trial:
    """One load for a while."""

    kind: Kind
    load: float
    """Uploads a second of the clock, or streams at once."""
    window_s: float
    """In which what is judged came, of the clock."""
    outcomes: tuple[Outcome, ...]
    dilation: float = 1.0
    """Seconds of the clock that stand for one."""
    cpu_s: Mapping[str, float] = field(default_factory=dict)
    """By group of the server's processes, over `cpu_wall_s`."""
    cpu_wall_s: float = 0.0
    cpu_audio_s: float = 0.0
    """Of all that was answered meanwhile, warm-up included."""
    num_cpu_answered: int = 0
    engine: EngineWork = field(default_factory=EngineWork)
    """Of uploads: over `engine_wall_s`."""
    engine_wall_s: float = 0.0

    @property
    def busy(self) -> float:
        """Part of the time in which the engine worked; 0 where that is not known."""
        return min(1.0, self.engine.busy_s / self.engine_wall_s) if self.engine_wall_s else 0.0

    @property
    def fill(self) -> float:
        """Audio over audio and padding, in the engine's batches; 0 where that is not known."""
        padded_s = self.engine.padded_s
        return min(1.0, self.cpu_audio_s / padded_s) if padded_s else 0.0

    @property
    def uploads_a_batch(self) -> float:
        batches = self.engine.num_batches
        return self.num_cpu_answered / batches if batches else 0.0

    @property
    def answered(self) -> list[Outcome]:
        return [each for each in self.outcomes if not each.error]

    @property
    def failed(self) -> list[Outcome]:
        return [each for each in self.outcomes if each.error]

    @property
    def audio_s_per_s(self) -> float:
        """Audio answered for each second of full speed in which it came."""
        return sum(each.audio_s for each in self.answered) / self.window_s * self.dilation

    @property
    def goodput(self) -> float:
        """Audio answered a second of full speed, until the last answer came."""
        if not self.answered:
            return 0.0
        first_s = min(each.at_s for each in self.outcomes)
        last_s = max(each.at_s + each.took_s for each in self.answered)
        return sum(each.audio_s for each in self.answered) / (last_s - first_s) * self.dilation

    @property
    def per_s(self) -> float:
        return len(self.answered) / self.window_s * self.dilation

    def latency_s(self, share: float) -> float:
        """At full speed: of what was answered, the least time that `share` of it kept."""
        return quantile([each.took_s for each in self.answered], share) / self.dilation

    def lag_s(self, share: float) -> float:
        lags_s = [lag for each in self.answered for lag in each.lags_s]
        return quantile(lags_s, share) / self.dilation

    @property
    def error_rate(self) -> float:
        num_words = sum(each.num_words for each in self.outcomes)
        return sum(each.num_wrong for each in self.outcomes) / num_words if num_words else 0.0

    @property
    def simulated(self) -> bool:
        return any(each.simulated for each in self.outcomes)

    @property
    def growth(self) -> float:
        """By how much the wait grows a second, where it does so beyond doubt; else 0."""
        return growth([(each.at_s, each.took_s) for each in self.answered])

    @property
    def lag_growth(self) -> float:
        """The same of what streams are behind the speaker, while all of them speak."""
        streams = [each for each in self.answered if each.lags_at_s]
        if not streams:
            return 0.0
        first_s = max(each.lags_at_s[0] for each in streams)
        last_s = min(each.lags_at_s[-1] for each in streams)
        points = [at for each in streams for at in zip(each.lags_at_s, each.lags_s, strict=True)]
        return growth([(at_s, lag_s) for at_s, lag_s in points if first_s <= at_s <= last_s])


def quantile(values: Sequence[float], share: float) -> float:
    """The least value that `share` of them do not pass; infinite of none."""
    if not values:
        return math.inf
    ascending = sorted(values)
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)]


def growth(points: Sequence[tuple[float, float]]) -> float:
    """The slope of a line through the means of six stretches of time, where it is above 0 with a
    certainty of 95 %; else 0. Means, because neighbours share a batch and a queue."""
    if len(points) < 2 * _NUM_BLOCKS:
        return 0.0
    first, last = min(at for at, _ in points), max(at for at, _ in points)
    width = (last - first) / _NUM_BLOCKS or 1.0
    blocks: list[list[float]] = [[] for _ in range(_NUM_BLOCKS)]
    for at, value in points:
        blocks[min(int((at - first) / width), _NUM_BLOCKS - 1)].append(value)
    filled = [(width * index, statistics.fmean(each)) for index, each in enumerate(blocks) if each]
    if len(filled) < _NUM_BLOCKS:
        return 0.0
    xs, ys = [x for x, _ in filled], [y for _, y in filled]
    slope, start = statistics.linear_regression(xs, ys)
    squares = sum((y - start - slope * x) ** 2 for x, y in filled)
    spread = sum((x - statistics.fmean(xs)) ** 2 for x in xs)
    doubt = _T_95 * math.sqrt(squares / (_NUM_BLOCKS - 2) / spread)
    return slope if slope > doubt else 0.0


def broken_uploads(trial: Trial, objective: Objective) -> list[str]:
    """Why uploads broke it; nothing where they held it."""
    found = _broken(trial, objective)
    p95_s = trial.latency_s(0.95)
    if p95_s > objective.upload_p95_s:
        found.append(f"p95 is {p95_s:.2f} s")
    elif trial.growth and p95_s + trial.growth * _HOLD_S > objective.upload_p95_s:
        found.append(f"the wait grows by {trial.growth:.2f} s a second")
    late_s = quantile([each.late_s for each in trial.outcomes], 0.95) if trial.outcomes else 0.0
    if late_s > _LATE_SHARE * objective.upload_p95_s * trial.dilation:
        found.append(f"the callers themselves were {late_s:.2f} s late")
    return found


def broken_streams(trial: Trial, objective: Objective) -> list[str]:
    """The same of live streams."""
    found = _broken(trial, objective)
    if (final_s := trial.latency_s(0.95)) > objective.final_p95_s:
        found.append(f"final texts come {final_s:.2f} s after the end (p95)")
    if (lag_s := trial.lag_s(0.95)) > objective.live_lag_p95_s:
        found.append(f"texts are {lag_s:.2f} s behind the speaker (p95)")
    elif trial.lag_growth and lag_s + trial.lag_growth * _HOLD_S > objective.live_lag_p95_s:
        found.append(f"texts fall behind by {trial.lag_growth:.2g} s a second")
    return found


def _broken(trial: Trial, objective: Objective) -> list[str]:
    found = []
    num_refused = sum(each.is_refused for each in trial.failed)
    is_few = trial.kind == "uploads" and num_refused <= objective.max_refused * len(trial.outcomes)
    if len(trial.failed) > num_refused * is_few:
        reasons = Counter(_short(each.error) for each in trial.failed)
        told = ", ".join(f"{count} × {reason}" for reason, count in reasons.most_common(2))
        found.append(f"{len(trial.failed)} of {len(trial.outcomes)} failed: {told}")
    if not trial.answered:
        found.append("nothing was answered")
    if trial.error_rate > objective.max_error_rate:
        found.append(f"{trial.error_rate:.1%} of the words are wrong")
    return found


def _short(error: str) -> str:
    """Without what differs from one to the next."""
    kind, _, detail = error.partition(": ")
    return kind if kind == "UnansweredError" else (detail or kind)[:60]


def outcomes_in(folder: Path, kind: str, name: str) -> list[Outcome]:
    """What the users wrote of requests of one kind and name."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        for text in path.read_text().splitlines():
            line = json.loads(text)
            if (line["kind"], line["name"]) == (kind, name):
                found.append(_outcome(line))
    return found


def _outcome(line: Mapping[str, Any]) -> Outcome:
    late_s = float(line.get("late_s", 0.0))
    return Outcome(
        at_s=float(line.get("at_s", 0.0)),
        took_s=float(line["took_s"]) + late_s,
        audio_s=float(line.get("audio_s", 0.0)),
        error=str(line["error"]),
        num_words=int(line.get("num_words", 0)),
        num_wrong=int(line.get("num_wrong", 0)),
        late_s=late_s,
        lags_s=tuple(line.get("lags_s", ())),
        lags_at_s=tuple(line.get("lags_at_s", ())),
        simulated=bool(line.get("simulated", False)),
    )
