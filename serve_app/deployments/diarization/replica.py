"""One model that tells speakers apart, as a deployment.

Each recording is with one replica, which remembers it; so two calls of it are under way there: one
for as long as it is remembered, and one for each piece. The first keeps a replica that is to go
until the recording has ended, and tells it when the caller has died.
"""

import asyncio
from collections.abc import AsyncGenerator

from serve_app.config import DiarizationConfig, ModelConfig
from serve_app.deployments.diarization.hearings import Hearings
from serve_app.models.loader import load_diarizer
from serve_app.models.protocols import DiarizationOpened, ModelInfo
from serve_app.telemetry import replica

_STUCK_AFTER_S = 300.0
"""A single piece that takes longer has hung; Serve then replaces the replica."""


class Diarization:
    """Ready once its model is loaded and warmed up. All calls go by gRPC transport."""

    _pulse: replica.Pulse | None = None
    """None until all else is there."""

    async def __init__(self, config: ModelConfig) -> None:  # type: ignore[misc]  # Serve awaits it
        replica.begin(config.name)
        self._config = config.diarization or DiarizationConfig()
        self._model = await asyncio.to_thread(load_diarizer, config)
        self._hearings = Hearings(self._model, max_recordings=self._config.max_recordings)
        self._name = replica.name_of_replica()
        self._pulse = replica.Pulse(config.name)

    async def listen(self, recording: str) -> AsyncGenerator[DiarizationOpened, None]:
        """Remember a recording until the caller leaves, or nothing comes of it any more.

        Raises:
            AtCapacityError: as many as may be are listened to here.
        """
        with self._hearings.open(recording) as hearing:
            yield DiarizationOpened(self._name, self._model.num_speakers, self._model.frame_s)
            await hearing.until_idle(self._config.idle_timeout_s)

    async def hear(self, recording: str, pcm: bytes, is_last: bool) -> bytes:
        """See `RecordingDiarizer.hear`."""
        return await self._hearings.hear(recording, pcm, is_last=is_last)

    async def info(self) -> ModelInfo:
        return self._model.info

    def check_health(self) -> None:
        """Called by Serve; raising makes it replace this replica."""
        if self._hearings.is_broken:
            raise RuntimeError("the model answers nobody any more")
        if self._hearings.busy_for_s > _STUCK_AFTER_S:
            raise RuntimeError(f"the model has been busy with one piece for {_STUCK_AFTER_S:g} s")

    async def __del__(self) -> None:
        if self._pulse is None:
            return
        try:
            self._hearings.close()
        finally:
            await self._pulse.close()
