"""How many replicas a streaming model needs: slots in use and streams refused in, a number out.

    autoscaling_config:
      min_replicas: 1
      max_replicas: 8
      metrics_interval_s: 1
      policy:
        policy_function: serve_app.deployments.streaming.scaling:SlotsPolicy
        policy_kwargs: {head_room: 0.2}

Serve's own policy counts calls under way, and a link is one, whatever it carries.
"""

import math
from typing import Any

from ray.serve.config import AutoscalingContext

POLICY = "serve_app.deployments.streaming.scaling:SlotsPolicy"


class SlotsPolicy:
    """As many replicas as hold all streams, those that were refused too, with room for more.

    From zero Serve brings the first one up by itself, for a call that waits.
    """

    def __init__(self, head_room: float = 0.2) -> None:
        """`head_room`: the part of all slots that should be free."""
        if not 0.0 <= head_room < 1.0:
            raise ValueError("head_room must be at least 0, and below 1")
        self._filled = 1.0 - head_room

    def __call__(self, context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
        metrics = context.aggregated_metrics or {}
        num_slots = max(metrics.get("slots", {}).values(), default=0.0)
        if not num_slots:  # nothing is known yet
            return context.target_num_replicas, {}
        wanted = sum(sum(metrics.get(name, {}).values()) for name in ("slots_in_use", "refused"))
        return math.ceil(wanted / (num_slots * self._filled)), {}
