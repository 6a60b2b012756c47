"""What the autoscaling policies want, and why: told in Serve's controller, where they run."""

from collections.abc import Mapping

from serve_app.telemetry.metrics.declaring import counter, gauge

_NO_REASON = "none"


class ScalingMetrics:
    """The decisions for one model."""

    def __init__(self, model: str) -> None:
        self._wanted = gauge(
            "chorus_scaling_wanted_replicas",
            "Replicas that the policy finds necessary, by what for.",
            "model",
            "reason",
        )
        self._target = gauge(
            "chorus_scaling_target_replicas",
            "Replicas that the policy asks for, with its delays and its room to spare.",
            "model",
        )
        self._changes = counter(
            "chorus_scaling_changes",
            "Times that Serve has followed it.",
            "model",
            "direction",
            "reason",
        )
        for metric in (self._wanted, self._target, self._changes):
            metric.set_default_tags({"model": model})
        self._before: int | None = None
        self._reason = _NO_REASON
        """The highest wish of the tick before, which is what Serve has followed."""

    def decided(self, wanted: Mapping[str, float], asked: int, target: int) -> None:
        """`wanted` by reason, `asked` for now, `target` that Serve pursues."""
        for reason, replicas in wanted.items():
            self._wanted.set(replicas, tags={"reason": reason})
        self._target.set(asked)
        before, self._before = self._before, target
        reason, self._reason = self._reason, max(wanted, key=wanted.__getitem__, default=_NO_REASON)
        if before is None or before == target:
            return
        if target > before:
            self._changes.inc(tags={"direction": "up", "reason": reason})
        else:
            self._changes.inc(tags={"direction": "down", "reason": _NO_REASON})
