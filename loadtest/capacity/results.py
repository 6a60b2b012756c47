"""What a run found, and what follows from it by arithmetic."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from loadtest.capacity.search.knee import Knee
from loadtest.capacity.search.trials import Objective, Trial
from loadtest.capacity.serving import Served

Broken = Callable[[Trial, Objective], list[str]]
PREPROCESSING = "preprocessing"
_PREPROCESSING_GROUPS = ("Preprocessor", "decoders")
_BUSY = 0.9
_FULL = 0.75
"""An engine that works so much of the time, in batches so full, is what limits its server."""


@dataclass(frozen=True, slots=True)
class Found:
    """Of uploads, or of streams."""

    knee: Knee[Trial]
    confirmed: Trial | None
    """At the knee or a little below, once more and for longer; None if nothing held."""
    overload: Trial | None
    """With more than it carries; None where that was not tried, or held."""
    is_out_of_time: bool = False
    """Before the climb or the bisection was done: it may carry more."""
    is_outdone: bool = False
    """What should have been too much held; the search did not go on from there."""

    @property
    def is_ended(self) -> bool:
        """Whether the knee is where the search would have left it, had it had all the time."""
        return not (self.is_out_of_time or self.is_outdone)

    @property
    def ends(self) -> str:
        """Why the knee is where it is said to be."""
        held = self.knee.held
        if self.confirmed is None or held is None:
            return "nothing held twice"
        if self.is_outdone:
            return f"{held.load / self.confirmed.load:.2g} × as much held, once: it carries more"
        if self.confirmed.load < held.load:
            return "what was found did not hold again, this did"
        if self.is_out_of_time:
            return "time was up before the search was done: it may carry more"
        if self.knee.broken is None:
            return "the highest load that was allowed held: it may carry more"
        return "the objective breaks above"


@dataclass(frozen=True, slots=True)
class Results:
    """One run."""

    config: str
    served: Served
    objective: Objective
    mean_clip_s: float
    uploads: Found | None
    streams: Found | None
    idle_cores: Mapping[str, float]
    """That the server takes while nobody asks, by group of its processes."""
    took_s: float
    url: str = ""
    """Of a server that somebody else runs; empty of one of its own."""
    num_replicas: int = 1
    """Of each model, at that server."""
    remark: str = ""

    @property
    def is_simulated(self) -> bool:
        trials = [found.confirmed for found in (self.uploads, self.streams) if found]
        return any(trial.simulated for trial in trials if trial)

    @property
    def audio_s_per_s(self) -> float:
        """Of one replica at the objective, at full speed."""
        trial = self.uploads.confirmed if self.uploads else None
        return trial.audio_s_per_s / self.num_replicas if trial else 0.0

    @property
    def uploads_per_s(self) -> float:
        trial = self.uploads.confirmed if self.uploads else None
        return trial.per_s / self.num_replicas if trial else 0.0

    @property
    def num_streams(self) -> int:
        """Of one replica at the objective."""
        trial = self.streams.confirmed if self.streams else None
        return int(trial.load / self.num_replicas) if trial else 0

    @property
    def busiest(self) -> float:
        """Part of the time in which the engine worked in the trial that kept it busiest."""
        trials = tries_of(self.uploads) if self.uploads else []
        return max((trial.busy for trial in trials), default=0.0)

    @property
    def is_engine_bound(self) -> bool:
        """Whether it was the engine that could do no more: it worked all the time, and its batches
        were full. With few in each it is busy at any load, and could take more."""
        return self.busiest >= _BUSY and self.fullest >= _FULL

    @property
    def fullest(self) -> float:
        """Part of what the budget allows, in the mean batch of the trial with the fullest."""
        model = self.served.uploads
        if model is None or self.uploads is None:
            return 0.0
        allowed_s, size = model.batch.max_batch_audio_s, model.batch.max_batch_size
        parts = [
            max(
                trial.engine.padded_s / trial.engine.num_batches / allowed_s,
                trial.uploads_a_batch / size,
            )
            for trial in tries_of(self.uploads)
            if trial.engine.num_batches
        ]
        return max(parts, default=0.0)

    def upload_cpu_s(self) -> dict[str, float]:
        """CPU seconds of one upload by group, the largest first, without what idling takes."""
        trial = self.uploads.confirmed if self.uploads else None
        return self._cpu_per(trial, trial.num_cpu_answered if trial else 0)

    def busy_cores(self) -> dict[str, float]:
        """That the server keeps busy at the knee of uploads, on this machine as it is, the most
        first; a preprocessor and its decoders are one."""
        trial = self.uploads.confirmed if self.uploads else None
        if trial is None or not trial.cpu_wall_s:
            return {}
        cores: dict[str, float] = {}
        for group, cpu_s in trial.cpu_s.items():
            name = PREPROCESSING if group in _PREPROCESSING_GROUPS else group
            cores[name] = cores.get(name, 0.0) + cpu_s / trial.cpu_wall_s
        return dict(sorted(cores.items(), key=lambda taken: -taken[1]))

    def stream_cpu_s(self) -> dict[str, float]:
        """The same for each second of a live stream."""
        trial = self.streams.confirmed if self.streams else None
        return self._cpu_per(trial, trial.cpu_audio_s if trial else 0)

    def _cpu_per(self, trial: Trial | None, num: float) -> dict[str, float]:
        if trial is None or not num:
            return {}
        costs = {
            group: max(0.0, cpu_s - self.idle_cores.get(group, 0.0) * trial.cpu_wall_s) / num
            for group, cpu_s in trial.cpu_s.items()
        }
        return dict(sorted(costs.items(), key=lambda cost: -cost[1]))

    @property
    def cores_for_uploads(self) -> float:
        """That one replica keeps busy at the objective, at full speed."""
        return sum(self.upload_cpu_s().values()) * self.uploads_per_s

    @property
    def cores_for_streams(self) -> float:
        return sum(self.stream_cpu_s().values()) * self.num_streams


def tries_of(found: Found) -> Sequence[Trial]:
    """All trials of a kind, by load, the confirming and the overloaded one among them."""
    trials = [*(each.result for each in found.knee.tries), found.confirmed, found.overload]
    once = {id(trial): trial for trial in trials if trial is not None}
    return sorted(once.values(), key=lambda trial: trial.load)
