"""Jobs in a database: who hands one in, who holds it, and what became of it.

tables      what lies in the database
rows        its rows, as values
submitting  a new job
asking      what its owner sees
queue       leases on files, and how each file ends
ending      how the job ends, and how it is forgotten
deliveries  its callback
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Self

from serve_app.errors import SpeechError, UnknownJobError
from serve_app.jobs.database import (
    CONNECTION_ERRORS,
    Database,
    cannot_be_used,
    checked_url,
)
from serve_app.jobs.migrations import bring_up_to_date
from serve_app.jobs.store import asking, deliveries, ending, queue, submitting
from serve_app.jobs.store.rows import transcript_from_json, transcript_to_json
from serve_app.jobs.store.tables import jobs
from serve_app.jobs.types import Counts, Delivery, Job, JobPage, JobStatus, Lease, NewJob
from serve_app.pipelines.transcription import Progress, StoredAudio
from serve_app.transcript.types import Transcript

__all__ = ["JobStore"]


class JobStore:
    """One database, through a pool of connections. Any number of processes may share it.

    Every change is one transaction; what was told to a caller survives any crash. Belongs to one
    event loop. A database that is lost raises one of `database.CONNECTION_ERRORS` within about ten
    seconds; it is used again as soon as it is back.
    """

    def __init__(self, database: Database, *, max_queued: int, max_attempts: int) -> None:
        self._database = database
        self._max_queued = max_queued
        self._max_attempts = max_attempts

    @classmethod
    async def open(cls, url: str, *, max_queued: int, max_attempts: int) -> Self:
        """Connect, and bring the tables to this version's shape; whoever comes at the same time
        waits for that. `url` is SQLAlchemy's, `sqlite+aiosqlite:///…` (relative: from the current
        folder) or `postgresql+asyncpg://…`.

        Raises:
            ConfigError: there is no such database, or its tables are of a later version.
        """
        checked = checked_url(url)
        await bring_up_to_date(checked)
        store = cls(Database(checked), max_queued=max_queued, max_attempts=max_attempts)
        try:
            await store.counts()
        except CONNECTION_ERRORS as error:
            await store.close()
            raise cannot_be_used(checked, error) from error
        return store

    async def close(self) -> None:
        await self._database.close()

    # For whoever hands in and asks. `owner` sees its own jobs alone; None sees all.

    async def submit(self, new: NewJob) -> tuple[Job, bool]:
        """The job, and whether it is a new one: an idempotency key gives the one it named before.

        Raises:
            AtCapacityError: `max_queued` files wait already.
            IdempotencyConflictError: the key named another request before.
        """
        async with self._database.writing() as connection:
            await self._database.lock(connection, "jobs.submit")
            now_s = await self._database.now_s(connection)
            number, is_new = await submitting.submit(
                connection, new, now_s=now_s, max_queued=self._max_queued
            )
            return await asking.load(connection, number), is_new

    async def find(self, job_id: str, owner: str | None) -> Job:
        """
        Raises:
            UnknownJobError: there is none, or it is not this owner's.
        """
        async with self._database.reading() as connection:
            return await asking.load(connection, await asking.number_of(connection, job_id, owner))

    async def page(
        self,
        owner: str | None,
        *,
        status: JobStatus | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> JobPage:
        """The newest first; `cursor` is the `next_cursor` of the page before.

        Raises:
            InvalidOptionError: `cursor` is none of ours.
        """
        async with self._database.reading() as connection:
            return await asking.page(connection, owner, status=status, limit=limit, cursor=cursor)

    async def results(self, job_id: str, owner: str | None) -> tuple[Transcript | None, ...]:
        """One for each file, None where there is none (yet).

        Raises:
            UnknownJobError: see `find`.
        """
        async with self._database.reading() as connection:
            number = await asking.number_of(connection, job_id, owner)
            found = await asking.transcripts(connection, number)
        return await asyncio.to_thread(
            lambda: tuple(None if text is None else transcript_from_json(text) for text in found)
        )

    async def cancel(self, job_id: str, owner: str | None) -> Job:
        """End what has not ended. Who works on it hears so at its next `renew`.

        Raises:
            UnknownJobError: see `find`.
            JobEndedError: it has ended already.
        """
        async with self._database.writing() as connection:
            number = await asking.number_of(connection, job_id, owner)
            now_s = await self._database.now_s(connection)
            await ending.cancel(connection, number, job_id, now_s=now_s)
            return await asking.load(connection, number)

    async def delete(self, job_id: str, owner: str | None) -> tuple[StoredAudio, ...]:
        """Cancel it where it has not ended, and forget it; its audio is the caller's to delete.

        Raises:
            UnknownJobError: see `find`.
        """
        async with self._database.writing() as connection:
            number = await asking.number_of(connection, job_id, owner)
            audio = await ending.forget(connection, jobs.c.number == number)
        if audio is None:
            raise UnknownJobError(job_id)  # another call was faster
        return audio

    # For workers.

    async def lease(self, worker: str, *, most: int, lease_s: float) -> Sequence[Lease]:
        """Take files to work on, by priority and age. Files whose lease ran out are among them,
        until they have been begun `max_attempts` times; then they have failed."""
        async with self._database.writing() as connection:
            now_s = await self._database.now_s(connection)
            await queue.put_back(connection, now_s=now_s, max_attempts=self._max_attempts)
        async with self._database.writing() as connection:
            now_s = await self._database.now_s(connection)
            return await queue.lease(connection, worker, most=most, now_s=now_s, lease_s=lease_s)

    async def renew(self, held: Mapping[str, Progress], *, lease_s: float) -> Collection[str]:
        """By token, how far each is. Returns the tokens that hold no longer: cancelled, deleted,
        or taken by another after a time-out. Their work is to stop."""
        if not held:
            return ()
        async with self._database.writing() as connection:
            now_s = await self._database.now_s(connection)
            return await queue.renew(connection, held, now_s=now_s, lease_s=lease_s)

    async def complete(self, lease: Lease, transcript: Transcript) -> bool:
        """Record the result, once: False where the lease holds no longer and nothing was."""
        text = await asyncio.to_thread(transcript_to_json, transcript)
        duration_s = transcript.duration_s
        async with self._database.writing() as connection:
            now_s = await self._database.now_s(connection)
            return await queue.complete(
                connection, lease.token, text, duration_s=duration_s, now_s=now_s
            )

    async def fail(self, lease: Lease, error: SpeechError, *, retry_in_s: float | None) -> bool:
        """Record an error: the file goes back into the queue for `retry_in_s`, or has failed.
        False where the lease holds no longer and nothing was recorded."""
        async with self._database.writing() as connection:
            now_s = await self._database.now_s(connection)
            if retry_in_s is None:
                return await queue.fail(connection, lease.token, error, now_s=now_s)
            return await queue.retry(connection, lease.token, error, at_s=now_s + retry_in_s)

    async def give_back(self, tokens: Collection[str]) -> None:
        """Of a worker that stops: another takes them at once, and the attempt does not count."""
        if tokens:
            async with self._database.writing() as connection:
                await queue.give_back(connection, tokens)

    async def counts(self) -> Counts:
        """Of all jobs that are not forgotten, in every status."""
        async with self._database.reading() as connection:
            return await asking.counts(connection)

    async def oldest_waiting_s(self) -> float:
        """Age of the oldest job of which a file waits; 0 if none does."""
        async with self._database.reading() as connection:
            now_s = await self._database.now_s(connection)
            created_at = await asking.oldest_waiting(connection)
        return 0.0 if created_at is None else max(0.0, now_s - created_at)

    # Callbacks and the end of things.

    async def deliveries(self, worker: str, *, most: int, lease_s: float) -> Sequence[Delivery]:
        """Take callbacks that are due."""
        async with self._database.writing() as connection:
            now_s = await self._database.now_s(connection)
            return await deliveries.lease(
                connection, worker, most=most, now_s=now_s, lease_s=lease_s
            )

    async def delivered(self, delivery: Delivery) -> None:
        """Nothing happens where it was taken by another after a time-out."""
        async with self._database.writing() as connection:
            now_s = await self._database.now_s(connection)
            await deliveries.delivered(connection, delivery.token, now_s=now_s)

    async def not_delivered(
        self, delivery: Delivery, error: str, *, retry_in_s: float | None
    ) -> None:
        """It is due again in `retry_in_s`, or given up. See `delivered`."""
        async with self._database.writing() as connection:
            due_at = None
            if retry_in_s is not None:
                due_at = await self._database.now_s(connection) + retry_in_s
            await deliveries.not_delivered(connection, delivery.token, error, due_at=due_at)

    async def expire(self, *, most: int) -> Sequence[StoredAudio]:
        """Forget `most` jobs whose time to live has passed; returns what is left of their audio,
        the caller's to delete. None may be left even where jobs were forgotten."""
        async with self._database.writing() as connection:
            now_s = await self._database.now_s(connection)
            return await ending.expire(connection, most=most, now_s=now_s)

    async def without_job(self, urls: Sequence[str]) -> Sequence[str]:
        """Those of `urls` that no job has: of uploads that never became one, or of jobs whose
        audio was forgotten and not deleted, since a process died in between."""
        async with self._database.reading() as connection:
            return await asking.without_job(connection, urls)

    async def take_audio_of_ended(self, *, most: int) -> Sequence[StoredAudio]:
        """The audio of `most` jobs that have ended, once: it counts as gone from now on, and is
        the caller's to delete."""
        async with self._database.writing() as connection:
            now_s = await self._database.now_s(connection)
            return await ending.take_audio(connection, most=most, now_s=now_s)
