"""Slots in use and streams refused in, replicas of a streaming model out."""

from typing import Any

from ray.serve.config import AutoscalingContext

from serve_app.deployments.demand.told import latest
from serve_app.deployments.scaling.settling import number, settled
from serve_app.telemetry.metrics import ScalingMetrics


class SlotsPolicy:
    """As many replicas as hold all streams, those that were refused too, with room for more."""

    def __init__(self, head_room: float = 0.2) -> None:
        """`head_room`: the part of all slots that should be free.

        Raises:
            ValueError: it is no such part.
        """
        if not 0.0 <= number("head_room", head_room) < 1.0:
            raise ValueError("head_room must be at least 0, and below 1")
        self._filled = 1.0 - head_room
        self._metrics: ScalingMetrics | None = None

    def __call__(self, context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
        metrics = context.raw_metrics or {}
        num_slots = max(latest(metrics, "slots").values(), default=0.0)
        if not num_slots:  # nothing is known yet
            return context.target_num_replicas, {}
        wanted = {
            name: sum(latest(metrics, name).values()) / (num_slots * self._filled)
            for name in ("slots_in_use", "refused")
        }
        asked, state = settled(sum(wanted.values()), context)
        if self._metrics is None:  # here, where it runs: it is made elsewhere
            self._metrics = ScalingMetrics(context.deployment_name)
        self._metrics.decided(wanted, asked, context.target_num_replicas)
        return asked, state
