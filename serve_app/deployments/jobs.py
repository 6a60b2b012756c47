"""The deployment that works on jobs: a worker for each replica, over a handle to the graph."""

import asyncio
import logging

from serve_app.allocator import return_large_blocks
from serve_app.config import JobsConfig
from serve_app.deployments.routing import Handle, ServeTranscriber
from serve_app.errors import ConfigError
from serve_app.jobs.database import CONNECTION_ERRORS, checked_url
from serve_app.jobs.opening import callbacks_of, open_audio, open_store
from serve_app.jobs.store import JobStore
from serve_app.jobs.worker import Worker
from serve_app.telemetry import replica
from serve_app.telemetry.metrics import JobMetrics

logger = logging.getLogger(__name__)

_TRY_AGAIN_S = 5.0
_LOOK_EVERY_S = 30.0
"""Each look is a scan of an index, and each replica of `Jobs` takes it."""
_LOST: tuple[type[Exception], ...] = (ConfigError, *CONNECTION_ERRORS)


class Jobs:
    """Nobody calls it: it takes what lies in the database, as soon as that can be reached.

    Raises:
        ConfigError: the database can be none, or the secret of callbacks.
    """

    _pulse: replica.Pulse | None = None
    """None until all else is there."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, config: JobsConfig, preprocessor: Handle
    ) -> None:
        replica.begin("Jobs")
        return_large_blocks()
        checked_url(config.database_url)
        self._config = config
        self._callbacks = callbacks_of(config)
        self._transcriber = ServeTranscriber(preprocessor)
        self._store: JobStore | None = None
        self._worker: Worker | None = None
        self._metrics = JobMetrics()
        self._opening = asyncio.create_task(self._open())
        self._looking = asyncio.create_task(self._look())
        self._pulse = replica.Pulse("Jobs", self._beat)

    async def _open(self) -> None:
        while self._worker is None:
            try:
                audio = await open_audio(self._config)
                self._store = await open_store(self._config)
                self._worker = Worker(
                    self._store,
                    audio,
                    self._transcriber,
                    self._config,
                    self._callbacks,
                    ended=lambda outcome: self._metrics.ended.inc(tags={"outcome": outcome}),
                )
            except _LOST as error:
                logger.error("jobs cannot be worked on yet: %s", error)
                await asyncio.sleep(_TRY_AGAIN_S)
        self._worker.start()

    async def _look(self) -> None:
        """See what lies in the database, again and again, as soon as there is one."""
        has_failed = False
        await asyncio.wait([self._opening])
        while self._store is not None:
            try:
                found = await self._store.counts()
                oldest_s = await self._store.oldest_waiting_s()
                by_status = {str(name): num for name, num in found.by_status.items()}
                self._metrics.found(by_status, found.stored_bytes, oldest_s)
                has_failed = False
            except CONNECTION_ERRORS:  # the worker logs them, and tries again
                self._metrics.lost()
            except Exception:  # a bug, which must not end the looking
                self._metrics.lost()
                if not has_failed:
                    logger.exception("what lies in the database cannot be told")
                has_failed = True
            await asyncio.sleep(_LOOK_EVERY_S)

    def _beat(self) -> None:
        num_under_way = self._worker.num_under_way if self._worker is not None else 0
        self._metrics.beat(num_under_way, self._config.max_concurrent)

    async def check_health(self) -> None:
        if self._opening.done() and (self._worker is None or not self._worker.is_alive):
            raise RuntimeError("the worker has ended")

    async def __del__(self) -> None:
        """What is under way is given back; another replica begins it again."""
        if self._pulse is None:
            return
        try:
            self._looking.cancel()
            self._opening.cancel()
            await asyncio.gather(self._looking, self._opening, return_exceptions=True)
            if self._worker is not None:
                await self._worker.close()
            if self._store is not None:
                await self._store.close()
        finally:
            await self._pulse.close()
