"""A name, what it says and its labels in; one of Ray's metrics out, and the name remembered."""

from collections.abc import Mapping
from types import MappingProxyType

from ray.util.metrics import Counter, Gauge, Histogram

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
AUDIO_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 240.0, 480.0, 960.0)
STEP_SECONDS = (0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.5, 1.0, 5.0)
LAG_SECONDS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
RATIOS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

_declared: dict[str, tuple[str, ...]] = {}


def declared() -> Mapping[str, tuple[str, ...]]:
    """The labels of each metric made in this process so far, by the name that Prometheus sees."""
    return MappingProxyType(_declared)


def counter(name: str, description: str, *labels: str) -> Counter:
    _declared[f"ray_{name}_total"] = labels
    return Counter(name, description, tag_keys=labels)


def gauge(name: str, description: str, *labels: str) -> Gauge:
    _declared[f"ray_{name}"] = labels
    return Gauge(name, description, tag_keys=labels)


def histogram(
    name: str, description: str, boundaries: tuple[float, ...], *labels: str
) -> Histogram:
    _declared[f"ray_{name}"] = labels
    return Histogram(name, description, boundaries=list(boundaries), tag_keys=labels)
