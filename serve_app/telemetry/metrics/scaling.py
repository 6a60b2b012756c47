"""What the autoscaling policies want, and why: told in Serve's controller, where they run."""

from collections.abc import Mapping

from serve_app.telemetry.metrics.declaring import counter, gauge


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

    def decided(self, wanted: Mapping[str, float], asked: int, target: int) -> None:
        """`wanted` by reason, `asked` for now, `target` that Serve pursues."""
        for reason, replicas in wanted.items():
            self._wanted.set(replicas, tags={"reason": reason})
        self._target.set(asked)
        before, self._before = self._before, target
        if before is None or before == target:
            return
        reason = max(wanted, key=wanted.__getitem__, default="unknown")
        direction = "up" if target > before else "down"
        self._changes.inc(tags={"direction": direction, "reason": reason})
