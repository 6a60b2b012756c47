"""What the processes of a server hold while it works, role by role, and whether that stays flat."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

MIB = 1 << 20
ROLES = {
    "ray::ServeReplica:chorus:Ingress": "ingress",
    "ray::ServeReplica:chorus:Preprocessor": "preprocessor",
    "ray::ServeReplica:chorus:": "model",
    "ray::ProxyActor": "proxy",
    "ray::ServeController": "controller",
    "serve_app.audio.sandbox": "decoders",
    "ray::IDLE": "workers in reserve",
    "raylet": "raylet",
    "gcs_server": "control store",
}
"""What a command line holds -> the role; the first that fits."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Of all processes of one role together."""

    memory_mib: float
    """That no other process shares."""
    num_descriptors: int
    num_threads: int
    num_processes: int


@dataclass(frozen=True, slots=True)
class Drift:
    """From the median of the second quarter of a soak to that of the last."""

    memory_mib: tuple[float, float]
    num_descriptors: tuple[float, float]
    num_threads: tuple[float, float]
    num_processes: tuple[float, float]

    @property
    def is_flat(self) -> bool:
        """Of each process: allocators and Ray's own tables breathe, and a tenth or 24 MiB, eight
        descriptors, four threads are no leak that half an hour could tell from one. Ray keeps a
        worker in reserve, or not."""
        began_mib, ended_mib = self._per_process(self.memory_mib)
        began_open, ended_open = self._per_process(self.num_descriptors)
        began_threads, ended_threads = self._per_process(self.num_threads)
        return (
            ended_mib - began_mib <= max(24.0, began_mib / 10)
            and ended_open - began_open <= 8
            and ended_threads - began_threads <= 4
            and self.num_processes[1] - self.num_processes[0] <= 1
        )

    def _per_process(self, totals: tuple[float, float]) -> tuple[float, float]:
        return totals[0] / self.num_processes[0], totals[1] / self.num_processes[1]


@dataclass(slots=True)
class Figures:
    """All that a soak writes down."""

    seed: int
    duration_s: float = 0.0
    answers: dict[str, int] = field(default_factory=dict)
    latencies_s: list[float] = field(default_factory=list)
    """Of the good recordings."""
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def count(self, answer: str) -> None:
        self.answers[answer] = self.answers.get(answer, 0) + 1

    def take_sample(self) -> None:
        """Of everything that this process has started."""
        for role, sample in _sampled().items():
            self.samples.setdefault(role, []).append(sample)

    def drifts(self) -> Mapping[str, Drift]:
        return {role: _drift(samples) for role, samples in self.samples.items()}

    def write(self, stem: Path) -> None:
        """`stem`.json with everything, `stem`.md for people."""
        stem.parent.mkdir(parents=True, exist_ok=True)
        drifts = self.drifts()
        whole = {**asdict(self), "drifts": {role: asdict(each) for role, each in drifts.items()}}
        stem.with_suffix(".json").write_text(json.dumps(whole, indent=1))
        stem.with_suffix(".md").write_text("\n".join([*self._summary(), *_table(drifts)]) + "\n")

    def _summary(self) -> list[str]:
        took = sorted(self.latencies_s)
        answers = ", ".join(f"{count:,} × {what}" for what, count in sorted(self.answers.items()))
        return [
            "# Soak",
            "",
            f"{self.duration_s / 60:.1f} minutes, seed {self.seed}: {answers}. A good recording "
            f"took {statistics.median(took) * 1000:.0f} ms (median), "
            f"{took[int(len(took) * 0.99)] * 1000:.0f} ms (99 %).",
            "",
        ]


def _table(drifts: Mapping[str, Drift]) -> list[str]:
    rows = ["| processes | memory, MiB | descriptors | threads | flat |", "|---|---|---|---|---|"]
    for role, drift in sorted(drifts.items()):
        cells = [
            f"{role} ({drift.num_processes[1]:.0f})",
            "{:.1f} → {:.1f}".format(*drift.memory_mib),
            "{:.0f} → {:.0f}".format(*drift.num_descriptors),
            "{:.0f} → {:.0f}".format(*drift.num_threads),
            "yes" if drift.is_flat else "NO",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _sampled() -> dict[str, Sample]:
    by_role: dict[str, list[tuple[int, int, int]]] = {}
    for process in psutil.Process().children(recursive=True):
        try:
            line = " ".join(process.cmdline())
            held = (
                process.memory_full_info().uss,
                process.num_fds(),
                process.num_threads(),
            )
        except psutil.Error:  # it has ended meanwhile
            continue
        if line:
            by_role.setdefault(_role(line), []).append(held)
    return {
        role: Sample(
            sum(each[0] for each in held) / MIB,
            sum(each[1] for each in held),
            sum(each[2] for each in held),
            len(held),
        )
        for role, held in by_role.items()
    }


def _role(line: str) -> str:
    return next((role for mark, role in ROLES.items() if mark in line), "Ray's others")


def _drift(samples: Sequence[Sample]) -> Drift:
    quarter = max(1, len(samples) // 4)
    parts = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    began, ended = (
        [statistics.median(values) for values in zip(*map(_row, part), strict=True)]
        for part in parts
    )
    pairs = list(zip(began, ended, strict=True))
    return Drift(*pairs)


def _row(sample: Sample) -> tuple[float, ...]:
    return (
        sample.memory_mib,
        sample.num_descriptors,
        sample.num_threads,
        sample.num_processes,
    )
