"""One streaming model as a deployment: its slots, and the ingresses attached to them."""

import asyncio
from collections.abc import AsyncGenerator

from serve_app.config import ModelConfig
from serve_app.deployments.streaming.attachment import Attachment, Push, Pushed, Told
from serve_app.deployments.streaming.slots import Slots, StepReport, waiting_frames
from serve_app.models.loader import load_streaming_recognizer
from serve_app.models.protocols import ModelInfo
from serve_app.pipelines.streaming.host import SlotLostError
from serve_app.telemetry import replica
from serve_app.telemetry.metrics import StreamingMetrics

_STUCK_AFTER_STALLS = 3
"""Of `stall_s`: a step that takes longer has hung; Serve then replaces the replica."""


class Streaming:
    """Ready once its model is loaded and warmed up. All calls go by gRPC transport, so that an
    ingress that dies cuts its attachment, and frees its slots with it."""

    _pulse: replica.Pulse | None = None
    """None until all else is there."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, config: ModelConfig, max_ahead_s: float
    ) -> None:
        replica.begin(config.name)
        assert config.streaming is not None, "a model of live streams"
        self._config = config.streaming
        self._model = await asyncio.to_thread(load_streaming_recognizer, config)
        self._metrics = StreamingMetrics(config.name)
        self._slots = Slots(
            self._model,
            max_waiting_frames=waiting_frames(
                self._config.max_segment_s + max_ahead_s, self._model.step_samples
            ),
            stall_s=self._config.stall_s,
            report=self._count,
        )
        self._attachments: dict[str, Attachment] = {}
        self._pulse = replica.Pulse(config.name, self._beat)

    async def attach(self, link: str) -> AsyncGenerator[Told, None]:
        """Tell one ingress what its streams say, for as long as it listens and pushes."""
        attachment = self._attachments[link] = Attachment(self._slots, self._model.info)
        try:
            async for told in attachment.tell():
                yield told
        finally:
            del self._attachments[link]
            attachment.close()
            self._notice()

    async def push(self, link: str, push: Push) -> Pushed:
        """Take what an attached ingress says.

        Raises:
            SlotLostError: it is not attached, or not any more.
        """
        if link not in self._attachments:
            raise SlotLostError("the link to this replica has been cut")
        pushed = self._attachments[link].take(push)
        if push.closed or push.opened:
            self._notice()
        for opening in push.opened:
            if opening.is_demand and opening.stream in pushed.refused:
                self._metrics.refused.inc()
        return pushed

    async def info(self) -> ModelInfo:
        return self._model.info

    def check_health(self) -> None:
        """Called by Serve; raising makes it replace this replica."""
        if self._slots.is_broken:
            raise RuntimeError("the model answers nobody any more")
        busy_for_s = self._slots.busy_for_s
        if busy_for_s > _STUCK_AFTER_STALLS * self._config.stall_s:
            raise RuntimeError(f"the model has been busy with one step for {busy_for_s:.0f} s")

    def record_autoscaling_stats(self) -> dict[str, float]:
        """Called by Serve for autoscaling policies."""
        return {
            "slots": self._slots.num_slots,
            "slots_in_use": self._slots.num_in_use,
            "refused": self._slots.num_refused,
        }

    async def __del__(self) -> None:
        if self._pulse is None:
            return
        try:
            await self._slots.close()
        finally:
            await self._pulse.close()

    def _notice(self) -> None:
        """Tell every ingress when the number of free slots has changed."""
        for attachment in self._attachments.values():
            attachment.notice()

    def _count(self, step: StepReport) -> None:
        self._metrics.step_streams.observe(step.num_streams)
        self._metrics.step_s.observe(step.model_s)
        self._metrics.step_wait_s.observe(step.waited_s)
        if step.model_s > 0:
            self._metrics.busy_s.inc(step.model_s)

    def _beat(self) -> None:
        self._metrics.slots.set(self._slots.num_slots)
        self._metrics.slots_in_use.set(self._slots.num_in_use)
