"""Where jobs are handed in and asked for.

The database and the store of audio are opened when the first client comes, so that a server starts,
and answers all others, while they are down.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from serve_app.config import JobsConfig
from serve_app.errors import AtCapacityError, ConfigError, JobsUnavailableError
from serve_app.ingress.jobs.uploads import StoredForm
from serve_app.jobs.audio import AudioStore
from serve_app.jobs.database import CONNECTION_ERRORS
from serve_app.jobs.opening import callback_secret, open_audio, open_store
from serve_app.jobs.store import JobStore
from serve_app.jobs.types import Job, JobPage, JobStatus, NewJob
from serve_app.pipelines.transcription import StoredAudio
from serve_app.transcript.types import Transcript

logger = logging.getLogger(__name__)

_RETRY_AFTER_S = 5.0
_OPEN_TIMEOUT_S = 20.0
_LOST: tuple[type[Exception], ...] = (ConfigError, *CONNECTION_ERRORS)


@dataclass(frozen=True, slots=True)
class _Rooms:
    store: JobStore
    audio: AudioStore


class Desk:
    """One of each ingress. `owner` is the name of a caller's key, None where keys are not asked
    for. Every method raises `JobsUnavailableError` where database or audio cannot be reached."""

    def __init__(
        self,
        config: JobsConfig,
        store: Callable[[JobsConfig], Awaitable[JobStore]] = open_store,
        audio: Callable[[JobsConfig], Awaitable[AudioStore]] = open_audio,
    ) -> None:
        self.config = config
        self._open_store, self._open_audio = store, audio
        self._opening = asyncio.Lock()
        self._rooms: _Rooms | None = None
        self._arriving_bytes = 0

    @property
    def signs_callbacks(self) -> bool:
        """Whether there is something to sign them with.

        Raises:
            ConfigError: it cannot be read.
        """
        return bool(callback_secret(self.config))

    @asynccontextmanager
    async def arriving(self, num_bytes: int) -> AsyncIterator[StoredForm]:
        """A form of `num_bytes`, 0 if that was not told; what it has stored is deleted unless it
        was handed in.

        Raises:
            AtCapacityError: there is no room for so much; of a length that was not told, while it
                is stored.
        """
        async with self._reached() as rooms:
            stored_bytes = (await rooms.store.counts()).stored_bytes
        place = _Place(self, stored_bytes)
        place.hold(num_bytes)

        async def put(pieces: AsyncIterator[bytes]) -> StoredAudio:
            try:
                return await rooms.audio.put(place.holding(pieces))
            except OSError as error:
                logger.error("a recording cannot be stored: %s", error)
                raise JobsUnavailableError(_RETRY_AFTER_S) from error

        form = StoredForm(put, rooms.audio.delete)
        try:
            yield form
        finally:
            place.leave()
            await asyncio.shield(form.discard())

    async def submit(self, new: NewJob) -> tuple[Job, bool]:
        """See `JobStore.submit`."""
        async with self._reached() as rooms:
            return await rooms.store.submit(new)

    async def find(self, job_id: str, owner: str | None) -> Job:
        """See `JobStore.find`."""
        async with self._reached() as rooms:
            return await rooms.store.find(job_id, owner)

    async def page(
        self, owner: str | None, *, status: JobStatus | None, limit: int, cursor: str | None
    ) -> JobPage:
        """See `JobStore.page`."""
        async with self._reached() as rooms:
            return await rooms.store.page(owner, status=status, limit=limit, cursor=cursor)

    async def results(self, job_id: str, owner: str | None) -> tuple[Transcript | None, ...]:
        """See `JobStore.results`."""
        async with self._reached() as rooms:
            return await rooms.store.results(job_id, owner)

    async def cancel(self, job_id: str, owner: str | None) -> Job:
        """See `JobStore.cancel`."""
        async with self._reached() as rooms:
            return await rooms.store.cancel(job_id, owner)

    async def delete(self, job_id: str, owner: str | None) -> None:
        """Forget a job, its results and its audio."""
        async with self._reached() as rooms:
            for audio in await rooms.store.delete(job_id, owner):
                try:
                    await rooms.audio.delete(audio)
                except OSError as error:  # the job is gone; a worker deletes the rest in a day
                    logger.error("audio of a forgotten job is still there: %s", error)

    async def close(self) -> None:
        if self._rooms is not None:
            await self._rooms.store.close()

    def arrive(self, more_bytes: int, stored_bytes: int) -> None:
        """Count bytes that are on their way, beside those that were stored before.

        Raises:
            AtCapacityError: there is no room for them.
        """
        if stored_bytes + self._arriving_bytes + more_bytes > self.config.max_stored_bytes:
            raise AtCapacityError("no room for more recordings of jobs", _RETRY_AFTER_S)
        self._arriving_bytes += more_bytes

    def depart(self, num_bytes: int) -> None:
        self._arriving_bytes -= num_bytes

    @asynccontextmanager
    async def _reached(self) -> AsyncIterator[_Rooms]:
        try:
            if self._rooms is None:
                async with asyncio.timeout(_OPEN_TIMEOUT_S), self._opening:
                    rooms = await self._opened()
            else:
                rooms = self._rooms
            yield rooms
        except _LOST as error:
            logger.error("jobs cannot be reached: %s", error)
            raise JobsUnavailableError(_RETRY_AFTER_S) from error

    async def _opened(self) -> _Rooms:
        if self._rooms is None:
            audio = await self._open_audio(self.config)  # nothing of it has to be closed
            self._rooms = _Rooms(await self._open_store(self.config), audio)
        return self._rooms


class _Place:
    """What one form is counted with while it arrives."""

    def __init__(self, desk: Desk, stored_bytes: int) -> None:
        self._desk = desk
        self._stored_bytes = stored_bytes
        self._held_bytes = 0
        self._num_bytes = 0

    def hold(self, num_bytes: int) -> None:
        """Room for so much in all; raises what `Desk.arrive` does."""
        more_bytes = num_bytes - self._held_bytes
        if more_bytes > 0:
            self._desk.arrive(more_bytes, self._stored_bytes)
            self._held_bytes = num_bytes

    async def holding(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The pieces of one recording, each once there is room for it."""
        async for piece in pieces:
            self._num_bytes += len(piece)
            self.hold(self._num_bytes)
            yield piece

    def leave(self) -> None:
        self._desk.depart(self._held_bytes)
