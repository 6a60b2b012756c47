"""The deployment that works on jobs: a worker for each replica, over a handle to the graph."""

from serve_app.allocator import return_large_blocks
from serve_app.config import JobsConfig
from serve_app.deployments.routing import Handle, ServeTranscriber
from serve_app.jobs.opening import callbacks_of, open_audio, open_store
from serve_app.jobs.worker import Worker
from serve_app.telemetry import join_serve_logs


class Jobs:
    """Nobody calls it: it takes what lies in the database."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, config: JobsConfig, preprocessor: Handle
    ) -> None:
        join_serve_logs()
        return_large_blocks()
        self._store = await open_store(config)
        self._worker = Worker(
            self._store,
            await open_audio(config),
            ServeTranscriber(preprocessor),
            config,
            callbacks_of(config),
        )
        self._worker.start()

    async def check_health(self) -> None:
        if not self._worker.is_alive:
            raise RuntimeError("the worker has ended")

    async def __del__(self) -> None:
        """What is under way is given back; another replica begins it again."""
        await self._worker.close()
        await self._store.close()
