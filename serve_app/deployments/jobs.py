"""The deployment that works on jobs: a worker for each replica, over a handle to the graph."""

import asyncio
import logging
from contextlib import suppress

from serve_app.allocator import return_large_blocks
from serve_app.config import JobsConfig
from serve_app.deployments.routing import Handle, ServeTranscriber
from serve_app.errors import ConfigError
from serve_app.jobs.database import CONNECTION_ERRORS, checked_url
from serve_app.jobs.opening import callbacks_of, open_audio, open_store
from serve_app.jobs.store import JobStore
from serve_app.jobs.worker import Worker
from serve_app.telemetry import join_serve_logs

logger = logging.getLogger(__name__)

_TRY_AGAIN_S = 5.0
_LOST: tuple[type[Exception], ...] = (ConfigError, *CONNECTION_ERRORS)


class Jobs:
    """Nobody calls it: it takes what lies in the database, as soon as that can be reached.

    Raises:
        ConfigError: the database can be none, or the secret of callbacks.
    """

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, config: JobsConfig, preprocessor: Handle
    ) -> None:
        join_serve_logs()
        return_large_blocks()
        checked_url(config.database_url)
        self._config = config
        self._callbacks = callbacks_of(config)
        self._transcriber = ServeTranscriber(preprocessor)
        self._store: JobStore | None = None
        self._worker: Worker | None = None
        self._opening = asyncio.create_task(self._open())

    async def _open(self) -> None:
        while self._worker is None:
            try:
                audio = await open_audio(self._config)
                self._store = await open_store(self._config)
                self._worker = Worker(
                    self._store, audio, self._transcriber, self._config, self._callbacks
                )
            except _LOST as error:
                logger.error("jobs cannot be worked on yet: %s", error)
                await asyncio.sleep(_TRY_AGAIN_S)
        self._worker.start()

    async def check_health(self) -> None:
        if self._opening.done() and (self._worker is None or not self._worker.is_alive):
            raise RuntimeError("the worker has ended")

    async def __del__(self) -> None:
        """What is under way is given back; another replica begins it again."""
        self._opening.cancel()
        with suppress(asyncio.CancelledError):
            await self._opening
        if self._worker is not None:
            await self._worker.close()
        if self._store is not None:
            await self._store.close()
