"""A config file and what shall stand for its engines, in; the server that is measured, out."""

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from loadtest.bench.load import BenchError
from loadtest.bench.server import Server, model_of, own_server, streaming_model_of
from serve_app import serve_config
from serve_app.config import ModelConfig, ServerConfig, SimulatedConfig

_SIMULATED_CPUS = 0.05
"""Shares that Ray counts: all of a simulated server fits on any machine."""
_BATCHES_WAITED = 8.0
"""In a dilated server nobody waits for more: its queue would take longer to fill than a trial."""
_UPLOADS_PER_S_OF_A_CORE = 14.0
_STREAMS_OF_A_CORE = 6.0
"""What a server and its callers can be fed with on one core, cautiously."""
_MOST_LIVE_DILATION = 16.0
"""Slower speech is below `streams.min_pace`, and is let go."""


@dataclass(frozen=True, slots=True)
class Curve:
    """What a GPU would take, in seconds."""

    fixed_s: float
    per_audio_s: float
    per_stream_s: float

    def dilated(self, factor: float) -> SimulatedConfig:
        return SimulatedConfig(
            fixed_s=self.fixed_s * factor,
            per_audio_s=self.per_audio_s * factor,
            per_stream_s=self.per_stream_s * factor,
        )

    def uploads_per_s(self, model: ModelConfig, clip_s: float) -> float:
        """That the engine alone could do, in full batches of clips of this length."""
        num = clips_of_a_batch(model, clip_s)
        return num / self.full_batch_s(model, clip_s)

    def full_batch_s(self, model: ModelConfig, clip_s: float) -> float:
        return self.fixed_s + self.per_audio_s * clips_of_a_batch(model, clip_s) * clip_s


@dataclass(frozen=True, slots=True)
class Served:
    """The models that are measured, one replica each."""

    uploads: ModelConfig | None
    streams: ModelConfig | None
    config: ServerConfig
    num_ingresses: int = 1
    num_preprocessors: int = 1
    entries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The file's `deployments`, by name."""
    curve: Curve | None = None
    """Set where simulated engines stand for those of the file."""
    dilation: float = 1.0
    live_dilation: float = 1.0
    max_wait_s: float | None = None
    """`limits.max_wait_s` of a server of its own, of the clock; the file's where None."""

    @property
    def streams_are_simulated(self) -> bool:
        return self.streams is not None and self.streams.kind == "simulated"

    @property
    def num_slots(self) -> int:
        return self.streams.streaming.num_slots if self.streams and self.streams.streaming else 0


def curve_of(model: ModelConfig) -> Curve:
    """Of a simulated engine."""
    cost = model.simulated
    return Curve(cost.fixed_s, cost.per_audio_s, cost.per_stream_s)


def max_wait_s(objective_s: float, full_batch_s: float, dilation: float) -> float:
    """Of the clock: as the advice has it, the objective; dilated, what a trial has time for."""
    return min(objective_s * dilation, max(objective_s, _BATCHES_WAITED * full_batch_s))


def clips_of_a_batch(model: ModelConfig, clip_s: float) -> int:
    batch = model.batch
    return max(1, min(batch.max_batch_size, int(batch.max_batch_audio_s / clip_s)))


def models_of(
    path: Path, uploads: str | None, streams: str | None
) -> tuple[ModelConfig | None, ModelConfig | None]:
    """Those named, or the file's defaults; None for a kind that the file has none of.

    Raises:
        ConfigError: the file is wrong.
        BenchError: a named one is not there.
    """
    config = serve_config.server_config(serve_config.load(path))
    offline = model_of(path, uploads) if uploads or config.offline_models else None
    if offline is not None and offline.streaming is not None:
        raise BenchError(f"{offline.name} takes live streams; name it by --live-model")
    live = streaming_model_of(path, streams) if streams or config.streaming_models else None
    return offline, live


def served(
    path: Path,
    uploads: ModelConfig | None,
    streams: ModelConfig | None,
    *,
    curve: Curve | None = None,
    dilation: float = 1.0,
    live_dilation: float = 1.0,
    num_slots: int | None = None,
    num_cores: int | None = None,
) -> Served:
    """With `curve` the engines are simulated; `num_slots` is laid over the file's. `num_cores` are
    this machine's, if not said otherwise.

    Raises:
        ConfigError: the file is wrong.
        BenchError: there is an engine that cannot be slowed down.
    """
    config = serve_config.server_config(serve_config.load(path))
    for model, factor in ((uploads, dilation), (streams, live_dilation)):
        if factor != 1.0 and model and model.kind != "simulated" and curve is None:
            raise BenchError("only a simulated engine can be slowed down: add --simulate")
    uploads = uploads and _slowed(uploads, curve, dilation)
    streams = streams and _slowed(streams, curve, live_dilation)
    if streams and streams.streaming and num_slots:
        wider = streams.streaming.model_copy(update={"num_slots": num_slots})
        streams = streams.model_copy(update={"streaming": wider})
    slots = streams.streaming.num_slots if streams and streams.streaming else 1
    num_ingresses = math.ceil(slots / config.streams.max_per_ingress)
    entries = {each["name"]: each for each in _deployments(path)}
    others = [("Ingress", num_ingresses), *((each.name, 1) for each in (uploads, streams) if each)]
    cores = (num_cores or num_cores_here()) - sum(num * _cpus(entries, of) for of, num in others)
    num_preprocessors = _num_preprocessors(entries, cores)
    return Served(
        uploads, streams, config, num_ingresses, num_preprocessors, entries, curve,
        dilation, live_dilation,
    )  # fmt: skip


def num_cores_here() -> int:
    return len(os.sched_getaffinity(0))


def _deployments(path: Path) -> list[dict[str, Any]]:
    document = yaml.safe_load(path.read_text())
    return list(document["applications"][0].get("deployments", []))


def _cpus(entries: Mapping[str, Mapping[str, Any]], name: str) -> float:
    """That Ray sets aside for one replica."""
    options = entries.get(name, {}).get("ray_actor_options") or {}
    return float(options.get("num_cpus", 1))


def _num_preprocessors(entries: Mapping[str, Mapping[str, Any]], cores: float) -> int:
    """As many as the file lets there be and these cores have room for: an engine is to be the
    bottleneck, and Serve would add them where it is not."""
    entry = entries.get("Preprocessor", {})
    scaling = entry.get("autoscaling_config")
    wanted = (scaling or {}).get("max_replicas") or entry.get("num_replicas") or 1
    room = cores / (_cpus(entries, "Preprocessor") or 1.0)
    return max(1, min(wanted, int(room))) if isinstance(wanted, int) else 1


def _slowed(model: ModelConfig, curve: Curve | None, factor: float) -> ModelConfig:
    """An engine that sleeps by `curve`, or by its own, in the place of this one; a real one, where
    there is no curve, stays. What clients may ask of it stays, too, and so does how much of its
    work is sorted at a time."""
    if curve is None and model.kind != "simulated":
        return model
    cost = (curve or curve_of(model)).dilated(factor)
    streaming: dict[str, Any] | None = None
    if model.streaming is not None:
        kept = ("num_slots", "max_segment_s", "stall_s", "cold_start_s")
        streaming = {name: getattr(model.streaming, name) for name in kept}
        streaming["att_context"] = model.streaming.att_context
    return ModelConfig(
        name=model.name,
        kind="simulated",
        aliases=model.aliases,
        languages=model.languages,
        max_chunk_s=model.max_chunk_s,
        max_pause_s=model.max_pause_s,
        batch=model.batch.model_copy(update={"window_s": model.batch.window_s * factor}),
        simulated=cost,
        streaming=streaming,
    )


def dilation_for(uploads_per_s: float, num_cores: int) -> float:
    """By which these cores can feed an engine that could do so many uploads a second."""
    return float(max(1, math.ceil(uploads_per_s / (_UPLOADS_PER_S_OF_A_CORE * num_cores))))


def live_dilation_for(num_streams: int, num_cores: int) -> float:
    """The same for live streams."""
    wanted = math.ceil(num_streams / (_STREAMS_OF_A_CORE * num_cores))
    return float(min(max(1, wanted), _MOST_LIVE_DILATION))


@contextmanager
def serving(path: Path, found: Served) -> Iterator[Server]:
    """A server of its own, of these models alone, one replica of each.

    Raises:
        BenchError: it did not become ready; with the end of its log.
    """
    model = found.uploads or found.streams
    if model is None:
        raise BenchError(f"{path} has no model that can be measured")

    def change(document: dict[str, Any]) -> None:
        lay_out(document["applications"][0], found)

    limits = {} if found.max_wait_s is None else {"max_wait_s": found.max_wait_s}
    with own_server(path, model, limits=limits, change=change) as server:
        yield server


def lay_out(application: dict[str, Any], found: Served) -> None:
    """Both models, enough ingresses for the slots, preprocessors as the file and the cores have
    it, and no more of Ray's shares than there are."""
    models = [model for model in (found.uploads, found.streams) if model]
    application["args"]["models"] = [model.model_dump(mode="json") for model in models]
    kept = {each["name"]: each for each in application["deployments"]}
    for model in models:
        entry = dict(kept.get(model.name) or found.entries.get(model.name) or {"name": model.name})
        entry.pop("autoscaling_config", None)
        kept[model.name] = {**entry, "num_replicas": 1}
    for name, num in (("Ingress", found.num_ingresses), ("Preprocessor", found.num_preprocessors)):
        kept[name] = {**kept.get(name, {"name": name}), "num_replicas": num}
    if found.curve is not None:
        for entry in kept.values():
            entry["ray_actor_options"] = {"num_cpus": _SIMULATED_CPUS}
    application["deployments"] = list(kept.values())
