"""One offline model as a deployment: `@serve.batch` collects, the lane forms the batches."""

import asyncio
from dataclasses import replace
from typing import Any

from ray import serve

from serve_app.config import BatchConfig, ModelConfig
from serve_app.deployments.batching.lane import Lane
from serve_app.deployments.batching.pace import BatchReport
from serve_app.deployments.demand.told import Holding, full_batches
from serve_app.models.loader import load_recognizer
from serve_app.models.protocols import ModelInfo, Recognition, RecognitionRequest
from serve_app.telemetry import replica
from serve_app.telemetry.metrics import RecognizerMetrics

_COLLECT_AT_MOST = 128
_COLLECT_FOR_S = 0.001
_STUCK_AFTER_S = 300.0
"""A single run of a model that takes longer has hung; Serve then replaces the replica."""


class Recognizer:
    """Ready once its model is loaded and warmed up."""

    _pulse: replica.Pulse | None = None
    """None until all else is there."""

    async def __init__(self, config: ModelConfig) -> None:  # type: ignore[misc]  # Serve awaits it
        replica.begin(config.name)
        self._default_batch = self._batch = config.batch
        self._holding = Holding()
        self._model = await asyncio.to_thread(load_recognizer, config)
        self._metrics = RecognizerMetrics(config.name)
        self._lane = Lane(self._model, config.batch, self._count)
        self._pulse = replica.Pulse(config.name, self._beat)

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take new `batch` settings while running; what is not named goes back to `args`."""
        overrides = BatchConfig.model_validate(user_config.get("batch", {}))
        changed = overrides.model_dump(exclude_unset=True)
        self._batch = self._default_batch.model_copy(update=changed)
        self._lane.configure(self._batch)

    async def recognize(self, request: RecognitionRequest) -> Recognition:
        """Recognise one chunk in whichever batch takes it; cancelling takes it out again.

        Raises:
            AtCapacityError: the lane is full.
            EngineError: the model failed on this chunk.
        """
        with self._holding.of(request):
            answer: asyncio.Future[Recognition] = await self._collect(request)
            recognition = await answer
        num_batches = self._lane.pace.num_batches_to_hold(self._batch)
        allowance = self._holding.allowance(request, full_batches(self._batch, num_batches))
        return replace(recognition, allowance=allowance)

    @serve.batch(
        max_batch_size=_COLLECT_AT_MOST,
        batch_wait_timeout_s=_COLLECT_FOR_S,
        max_concurrent_batches=1_000,
    )
    async def _collect(
        self, requests: list[RecognitionRequest]
    ) -> list[asyncio.Future[Recognition]]:
        return [self._submit(request) for request in requests]

    def _submit(self, request: RecognitionRequest) -> asyncio.Future[Recognition]:
        try:
            answer = self._lane.submit(request)
        except Exception as error:  # belongs to this caller alone, not to its collected group
            answer = asyncio.get_running_loop().create_future()
            answer.set_exception(error)
        return answer

    def info(self) -> ModelInfo:
        return self._model.info

    def check_health(self) -> None:
        """Called by Serve; raising makes it replace this replica."""
        if self._lane.is_broken:
            raise RuntimeError("the model answers nobody any more")
        if self._lane.busy_for_s > _STUCK_AFTER_S:
            raise RuntimeError(f"the model has been busy with one batch for {_STUCK_AFTER_S:g} s")

    def record_autoscaling_stats(self) -> dict[str, float]:
        """Called by Serve for autoscaling policies: see `AudioPolicy`."""
        return {
            "audio_s_per_s": self._lane.pace.full_per_s(self._batch),
            "chunk_s": self._lane.pace.chunk_s,
            **self._holding.stats(),
        }

    def _count(self, batch: BatchReport) -> None:
        self._metrics.ran(
            num_chunks=batch.num_chunks,
            audio_s=batch.audio_s,
            padded_s=batch.padded_s,
            model_s=batch.model_s,
            fill=max(
                batch.padded_s / self._batch.max_batch_audio_s,
                batch.num_chunks / self._batch.max_batch_size,
            ),
        )

    def _beat(self) -> None:
        self._metrics.waiting_audio_s.set(self._lane.waiting_audio_s)
        self._metrics.waiting_chunks.set(self._lane.num_waiting)

    async def __del__(self) -> None:
        if self._pulse is not None:
            await self._pulse.close()
