"""Audio that waits, arrives and is in the models in, replicas of a model for recordings out."""

from typing import Any

from ray.serve.config import AutoscalingContext

from serve_app.deployments.demand.told import BELIEVED_FOR_S, demands, faded, latest
from serve_app.deployments.demand.workload import ARRIVALS_MEMORY_S
from serve_app.deployments.scaling.settling import number, settled
from serve_app.telemetry.metrics import ScalingMetrics

_IDLE_AUDIO_S = 1.0
"""Within the memory of arrivals: less of it, and nothing waiting, is nobody."""
_PER_S = "audio_s_per_s"


class AudioPolicy:
    """As many replicas as clear all that waits within `target_wait_s`, and no fewer than keep up
    with what arrives.

    The first alone would let replicas go as soon as nothing waits, wait again, and so on. What a
    replica clears it measures itself (`Pace`); the last measure outlives the last replica.
    """

    def __init__(
        self,
        target_wait_s: float = 5.0,
        head_room: float = 0.1,
        audio_s_per_s: float | None = None,
    ) -> None:
        """`head_room`: the part of the replicas' time that should be free. `audio_s_per_s`: what
        a replica is taken to clear before one has told; None: nothing changes until then.

        Raises:
            ValueError: one of them is out of its range.
        """
        if not number("target_wait_s", target_wait_s) > 0.0:
            raise ValueError("target_wait_s must be above 0")
        if not 0.0 <= number("head_room", head_room) < 1.0:
            raise ValueError("head_room must be at least 0, and below 1")
        if audio_s_per_s is not None and not number("audio_s_per_s", audio_s_per_s) > 0.0:
            raise ValueError("audio_s_per_s must be above 0")
        self._target_wait_s = target_wait_s
        self._filled = 1.0 - head_room
        self._assumed_per_s = audio_s_per_s
        self._metrics: ScalingMetrics | None = None

    def __call__(self, context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
        wanted, per_s = self._wanted(context)
        asked, state = self._asked(context, wanted, per_s)
        if self._metrics is None:  # here, where it runs: it is made elsewhere
            self._metrics = ScalingMetrics(context.deployment_name)
        self._metrics.decided(wanted or {}, asked, context.target_num_replicas)
        return asked, state

    def _wanted(self, context: AutoscalingContext) -> tuple[dict[str, float] | None, float | None]:
        """Replicas by what they are for, none of them where nobody asks, and None where nobody
        knows; and what one clears in a second."""
        per_s = self._per_s(context)
        waiting_s, arriving_per_s = _demand(context)
        if waiting_s <= 0.0 and arriving_per_s * ARRIVALS_MEMORY_S < _IDLE_AUDIO_S:
            return {"waiting": 0.0, "arriving": 0.0}, per_s
        if per_s is None:
            return None, per_s
        return {
            "waiting": waiting_s / (per_s * self._target_wait_s),
            "arriving": arriving_per_s / (per_s * self._filled),
        }, per_s

    @staticmethod
    def _asked(
        context: AutoscalingContext, wanted: dict[str, float] | None, per_s: float | None
    ) -> tuple[int, dict[str, Any]]:
        state = {} if per_s is None else {_PER_S: per_s}
        if wanted is None:
            return max(1, context.target_num_replicas), state
        return settled(max(wanted.values()), context, state)

    def _per_s(self, context: AutoscalingContext) -> float | None:
        """Audio seconds that a replica clears in a second."""
        measured = [value for value in latest(context.raw_metrics or {}, _PER_S).values() if value]
        if measured:
            return sum(measured) / len(measured)
        kept: float | None = (context.policy_state or {}).get(_PER_S)
        return kept or self._assumed_per_s


def _demand(context: AutoscalingContext) -> tuple[float, float]:
    """Audio seconds that wait or are in the models, and that arrive in a second.

    The replicas tell what they hold; the callers, what they have in all. Where no caller has told,
    as of another version, its queued chunks are taken to be of the mean length.
    """
    metrics, now = context.raw_metrics or {}, context.current_time or 0.0
    held_s = sum(latest(metrics, "held_audio_s").values())
    interval_s = context.config.metrics_interval_s if context.config else 0.0
    told = demands(metrics, now=now, believed_for_s=BELIEVED_FOR_S + interval_s)
    if not told:
        chunks_s = [value for value in latest(metrics, "chunk_s").values() if value]
        mean_s = sum(chunks_s) / len(chunks_s) if chunks_s else 0.0
        return held_s + (context.total_queued_requests or 0.0) * mean_s, 0.0
    waiting_s = sum(each.waiting_audio_s for each in told)
    arriving = sum(faded(each, now=now, memory_s=ARRIVALS_MEMORY_S) for each in told)
    return max(waiting_s, held_s), arriving
