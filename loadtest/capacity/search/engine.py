"""A server's metrics in; what the engine of a model for recordings has done, out."""

import os
import re
import urllib.error
import urllib.request
from dataclasses import dataclass, fields, replace

from serve_app.config import SimulatedConfig

METRICS_LAG_S = 2.5
"""Until what was done is told, by a server that was started with `METRICS_ENVIRONMENT`."""
METRICS_ENVIRONMENT = {"RAY_metrics_report_interval_ms": "1000"}
_LINE = re.compile(r"^(?:ray_)?(chorus_\w+)\{([^}]*)\}\s+(\S+)$", re.M)
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class EngineWork:
    """Of all batches so far; all zero where it is not known."""

    busy_s: float = 0.0
    """Of a real engine an estimate: Ray's exporter rebuilds sums from buckets."""
    num_batches: float = 0.0
    padded_s: float = 0.0
    """Audio and padding."""

    def __sub__(self, before: "EngineWork") -> "EngineWork":
        names = [field.name for field in fields(self)]
        return EngineWork(*(getattr(self, name) - getattr(before, name) for name in names))

    def by(self, cost: SimulatedConfig) -> "EngineWork":
        """Of a simulated engine, whose curve tells exactly how long it worked."""
        busy_s = cost.fixed_s * self.num_batches + cost.per_audio_s * self.padded_s
        return replace(self, busy_s=busy_s)


_METRICS = {
    "busy_s": "chorus_model_seconds_sum",
    "num_batches": "chorus_model_seconds_count",
    "padded_s": "chorus_batch_padded_seconds_total",
}


def report_often() -> None:
    """Have the servers that this process starts tell their metrics each second."""
    os.environ.update(METRICS_ENVIRONMENT)


def engine_work(url: str, model: str) -> EngineWork:
    """By `/metrics`; nothing where that is closed."""
    try:
        with urllib.request.urlopen(f"{url}/metrics", timeout=_TIMEOUT_S) as answer:
            return work_in(answer.read().decode(), model)
    except (urllib.error.URLError, OSError):
        return EngineWork()


def work_in(text: str, model: str) -> EngineWork:
    """Summed over the replicas of `model`."""
    sums: dict[str, float] = {}
    for name, tags, value in _LINE.findall(text):
        if f'model="{model}"' in tags:
            sums[name] = sums.get(name, 0.0) + float(value)
    return EngineWork(**{field: sums.get(name, 0.0) for field, name in _METRICS.items()})
