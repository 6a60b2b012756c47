"""What the benchmark found, and what follows from it by arithmetic."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loadtest.bench.load import LoadRun
from loadtest.bench.raw import RawRun
from serve_app.config import ModelConfig


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with the least and the most."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Stages:
    """Mean time of a request by stage, and quantiles of the whole."""

    decode_s: float
    queue_s: float
    model_s: float
    rest_s: float
    p50_s: float
    p95_s: float

    @property
    def parts_s(self) -> Mapping[str, float]:
        return {
            "decode": self.decode_s,
            "queue": self.queue_s,
            "model": self.model_s,
            "rest": self.rest_s,
        }


@dataclass(frozen=True, slots=True)
class Repetition:
    """The model alone, the server, the model alone again."""

    before: RawRun
    served: LoadRun
    after: RawRun
    server_cpu_s: Mapping[str, float]
    """By group of processes; empty for a server of somebody else."""
    num_same_texts: int

    @property
    def raw_wall_s(self) -> float:
        return (self.before.wall_s + self.after.wall_s) / 2

    @property
    def ratio(self) -> float:
        """Served throughput ÷ raw throughput; both took the same audio."""
        return self.raw_wall_s / self.served.wall_s

    @property
    def control(self) -> float:
        """The same between the two raw runs: 1, but for the noise of the machine."""
        return self.before.wall_s / self.after.wall_s

    @property
    def raw_cpu_s(self) -> float:
        return (self.before.cpu_s + self.after.cpu_s) / 2


@dataclass(frozen=True, slots=True)
class Results:
    """One run of the benchmark."""

    config: str
    model: ModelConfig
    dilation: float
    concurrency: int
    num_clips: int
    audio_s: float
    repetitions: Sequence[Repetition]
    alone: Stages
    """With one caller."""
    crowded: Stages
    """With `concurrency` callers."""

    @property
    def raw_audio_s_per_s(self) -> Spread:
        return spread([self.audio_s / each.raw_wall_s for each in self.repetitions])

    @property
    def served_audio_s_per_s(self) -> Spread:
        return spread([self.audio_s / each.served.wall_s for each in self.repetitions])

    @property
    def raw_fill(self) -> float:
        """Audio ÷ padded audio of the raw arm's batches."""
        return self.audio_s / self.repetitions[0].before.padded_s

    @property
    def ratio(self) -> Spread:
        return spread([each.ratio for each in self.repetitions])

    @property
    def control(self) -> Spread:
        return spread([each.control for each in self.repetitions])

    @property
    def cpu_s_per_audio_hour(self) -> Mapping[str, float]:
        """Medians by group of processes, the largest first; `model alone` is the raw arm's."""
        per_hour = 3600 / self.audio_s
        groups = sorted({group for each in self.repetitions for group in each.server_cpu_s})
        costs = {
            group: per_hour
            * statistics.median(each.server_cpu_s.get(group, 0.0) for each in self.repetitions)
            for group in groups
        }
        return dict(sorted(costs.items(), key=lambda cost: -cost[1]))

    @property
    def raw_cpu_s_per_audio_hour(self) -> float:
        return 3600 / self.audio_s * statistics.median(each.raw_cpu_s for each in self.repetitions)

    @property
    def num_texts(self) -> int:
        return self.num_clips * len(self.repetitions)

    @property
    def num_same_texts(self) -> int:
        return sum(each.num_same_texts for each in self.repetitions)


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))
