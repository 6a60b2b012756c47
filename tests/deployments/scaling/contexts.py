"""What Serve's controller hands to a policy, made by the test."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from ray.serve.config import AutoscalingConfig, AutoscalingContext

from serve_app.models.protocols import Demand


def context(
    metrics: Mapping[str, Mapping[str, float]],
    *,
    target: int = 1,
    state: Mapping[str, Any] | None = None,
    now: float = 1_000.0,
    queued: float = 0.0,
) -> AutoscalingContext:
    """`metrics`: by name and replica, what was told last, behind something older."""
    raw = {
        name: {
            replica: [SimpleNamespace(timestamp=now - at, value=value) for at, value in
                      ((5.0, -1.0), (0.0, told))]
            for replica, told in by_replica.items()
        }
        for name, by_replica in metrics.items()
    }  # fmt: skip
    return AutoscalingContext(
        deployment_id=None,  # type: ignore[arg-type]  # of no meaning to a policy
        deployment_name="model",
        app_name="chorus",
        current_num_replicas=target,
        target_num_replicas=target,
        running_replicas=[],
        total_num_requests=queued,
        total_queued_requests=queued,
        aggregated_metrics=None,
        raw_metrics=raw,  # type: ignore[arg-type]  # as far as policies look
        capacity_adjusted_min_replicas=0,
        capacity_adjusted_max_replicas=8,
        policy_state=dict(state or {}),
        last_scale_up_time=None,
        last_scale_down_time=None,
        current_time=now,
        config=AutoscalingConfig(min_replicas=0, max_replicas=8),
    )


def told(
    demand: Demand, replica: str = "a", *, is_here: bool = True
) -> dict[str, dict[str, float]]:
    """As a replica reports it of a caller that has chunks there, or has not."""
    return {
        f"{name}:{demand.caller}": {replica: float(value)}
        for name, value in (
            ("told_at", demand.told_at),
            ("waiting_audio_s", demand.waiting_audio_s),
            ("arriving_audio_s_per_s", demand.arriving_audio_s_per_s),
            ("is_here", is_here),
        )
    }


def joined(*reports: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    together: dict[str, dict[str, float]] = {}
    for report in reports:
        for name, by_replica in report.items():
            together.setdefault(name, {}).update(by_replica)
    return together
