"""What one replica carries and what is expected, in; replicas, costs and settings to write, out."""

import math
from dataclasses import dataclass
from typing import Any

import yaml

from loadtest.capacity.results import Results
from serve_app.deployments.batching.pace import max_ongoing_requests

AUDIO_POLICY = "serve_app.deployments.scaling:AudioPolicy"
SLOTS_POLICY = "serve_app.deployments.scaling:SlotsPolicy"
_CALLS_PER_INGRESS = 32
"""Where the file does not say: Serve's default of 2 is for calls that are work, not links."""
_STREAMS_FREE = 0.2
"""Part of all slots that `SlotsPolicy` keeps free."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What shall be carried, and what it may cost."""

    audio_hours_per_hour: float | None = None
    """In the busiest hour."""
    streams: int | None = None
    """At once, in the busiest minute."""
    price_per_hour: float | None = None
    """Of what one replica of each measured model runs on."""
    currency: str = "$"
    use: float = 0.8
    """Of what was measured: the rest is for what was not."""
    peak: float = 2.0
    """Highest load over the expected one, for which replicas may be added."""


@dataclass(frozen=True, slots=True)
class Advice:
    """For one run and one expectation."""

    replicas: int | None
    """Of the model for recordings at the expected load; None where there is no expectation."""
    live_replicas: int | None
    cost_per_audio_hour: float | None
    """At `use` of the capacity."""
    cost_per_stream_hour: float | None
    settings: dict[str, Any]
    """To lay over the configuration: `args` and `deployments`."""

    @property
    def yaml(self) -> str:
        text: str = yaml.safe_dump(self.settings, sort_keys=False, allow_unicode=True)
        return text


def advise(results: Results, expected: Expected) -> Advice:
    """What was not measured, or did not hold, is not advised on; nor are slots, of which a search
    that was not ended would give too few."""
    planned = results.audio_s_per_s * expected.use
    slots = results.num_streams
    planned_streams = slots * (1 - _STREAMS_FREE)
    replicas = _replicas(expected.audio_hours_per_hour, planned)
    live_replicas = _replicas(expected.streams, planned_streams)
    price = expected.price_per_hour
    return Advice(
        replicas,
        live_replicas,
        cost_per_audio_hour=price / planned if price is not None and planned else None,
        cost_per_stream_hour=price / planned_streams if price is not None and slots else None,
        settings=_settings(results, expected, replicas, live_replicas),
    )


def _replicas(load: float | None, of_one: float) -> int | None:
    """At least one, where anything is expected and anything was measured."""
    return None if load is None or not of_one else max(1, math.ceil(load / of_one))


def _settings(
    results: Results, expected: Expected, replicas: int | None, live_replicas: int | None
) -> dict[str, Any]:
    args: dict[str, Any] = {}
    deployments: list[dict[str, Any]] = []
    uploads, streams = results.served.uploads, results.served.streams
    if uploads and results.audio_s_per_s:
        wait_s = results.objective.upload_p95_s
        args["limits"] = {"max_wait_s": wait_s}
        most = max_ongoing_requests(uploads.batch)
        policy = {"policy_function": AUDIO_POLICY, "policy_kwargs": {"target_wait_s": wait_s / 2}}
        scaling = _scaling(replicas, expected.peak, policy)
        deployments.append(
            {"name": uploads.name, "max_ongoing_requests": most, "autoscaling_config": scaling}
        )
    if streams and results.num_streams:
        if results.streams and results.streams.is_ended:
            streaming = {"num_slots": results.num_streams}
            args["models"] = [{"name": streams.name, "streaming": streaming}]
        policy = {
            "policy_function": SLOTS_POLICY,
            "policy_kwargs": {"head_room": _STREAMS_FREE},
        }
        scaling = _scaling(live_replicas, expected.peak, policy)
        deployments.append({"name": streams.name, "autoscaling_config": scaling})
        deployments += _ingress(results, expected)
    return {"args": args, "deployments": deployments}


def _ingress(results: Results, expected: Expected) -> list[dict[str, Any]]:
    """Enough for the streams that are expected, each with no more than it may have; what the file
    says of them otherwise stays, and no less than it allows."""
    if expected.streams is None:
        return []
    scaling = dict(results.served.entries.get("Ingress", {}).get("autoscaling_config") or {})
    scaling.setdefault("target_ongoing_requests", _CALLS_PER_INGRESS)
    scaling.pop("initial_replicas", None)  # Serve begins with `min_replicas` then
    of_each = results.served.config.streams.max_per_ingress
    least = max(scaling.get("min_replicas") or 1, math.ceil(expected.streams / of_each))
    at_peak = math.ceil(expected.streams * expected.peak / of_each)
    most = max(scaling.get("max_replicas") or 1, least, at_peak)
    scaling |= {"min_replicas": least, "max_replicas": most}
    return [{"name": "Ingress", "autoscaling_config": scaling}]


def _scaling(replicas: int | None, peak: float, policy: dict[str, Any]) -> dict[str, Any]:
    needed = replicas or 1
    return {
        "min_replicas": 1,
        "initial_replicas": needed,
        "max_replicas": math.ceil(needed * peak),
        "metrics_interval_s": 1,
        "upscale_delay_s": 2,
        "downscale_delay_s": 60,
        "policy": policy,
    }
