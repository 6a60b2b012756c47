"""Jobs in a database: who hands one in, who holds it, and what became of it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Self

from serve_app.errors import SpeechError
from serve_app.jobs.types import Counts, Delivery, Job, JobPage, JobStatus, Lease, NewJob
from serve_app.pipelines.transcription import Progress, StoredAudio
from serve_app.transcript.types import Transcript


class JobStore:
    """One database, through a pool of connections. Any number of processes may share it.

    Every change is one transaction; what was told to a caller survives any crash.
    """

    @classmethod
    async def open(cls, url: str, *, max_queued: int) -> Self:
        """Connect, and bring the tables to this version's shape; whoever comes at the same time
        waits for that. `url` is SQLAlchemy's, `sqlite+aiosqlite:///…` or `postgresql+asyncpg://…`.

        Raises:
            ConfigError: there is no such database, or its tables are of a later version.
        """
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    # For whoever hands in and asks. `owner` sees its own jobs alone; None sees all.

    async def submit(self, new: NewJob) -> tuple[Job, bool]:
        """The job, and whether it is a new one: an idempotency key gives the one it named before.

        Raises:
            AtCapacityError: `max_queued` files wait already.
            IdempotencyConflictError: the key named another request before.
        """
        raise NotImplementedError

    async def find(self, job_id: str, owner: str | None) -> Job:
        """
        Raises:
            UnknownJobError: there is none, or it is not this owner's.
        """
        raise NotImplementedError

    async def page(
        self,
        owner: str | None,
        *,
        status: JobStatus | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> JobPage:
        """
        Raises:
            InvalidOptionError: `cursor` is none of ours.
        """
        raise NotImplementedError

    async def results(self, job_id: str, owner: str | None) -> tuple[Transcript | None, ...]:
        """One for each file, None where there is none (yet).

        Raises:
            UnknownJobError: see `find`.
        """
        raise NotImplementedError

    async def cancel(self, job_id: str, owner: str | None) -> Job:
        """End what has not ended. Who works on it hears so at its next `renew`.

        Raises:
            UnknownJobError: see `find`.
            JobEndedError: it has ended already.
        """
        raise NotImplementedError

    async def delete(self, job_id: str, owner: str | None) -> tuple[StoredAudio, ...]:
        """Cancel it where it has not ended, and forget it; its audio is the caller's to delete.

        Raises:
            UnknownJobError: see `find`.
        """
        raise NotImplementedError

    # For workers.

    async def lease(self, worker: str, *, most: int, lease_s: float) -> Sequence[Lease]:
        """Take files to work on, by priority and age. Files whose lease ran out are among them,
        until they have been begun `max_attempts` times; then they have failed."""
        raise NotImplementedError

    async def renew(self, held: Mapping[str, Progress], *, lease_s: float) -> Collection[str]:
        """By token, how far each is. Returns the tokens that hold no longer: cancelled, deleted,
        or taken by another after a time-out. Their work is to stop."""
        raise NotImplementedError

    async def complete(self, lease: Lease, transcript: Transcript) -> bool:
        """Record the result, once: False where the lease holds no longer and nothing was."""
        raise NotImplementedError

    async def fail(self, lease: Lease, error: SpeechError, *, retry_in_s: float | None) -> bool:
        """Record an error: the file goes back into the queue for `retry_in_s`, or has failed."""
        raise NotImplementedError

    async def give_back(self, tokens: Collection[str]) -> None:
        """Of a worker that stops: another takes them at once, and the attempt does not count."""
        raise NotImplementedError

    async def counts(self) -> Counts:
        raise NotImplementedError

    # Callbacks and the end of things.

    async def deliveries(self, worker: str, *, most: int, lease_s: float) -> Sequence[Delivery]:
        """Take callbacks that are due."""
        raise NotImplementedError

    async def delivered(self, delivery: Delivery) -> None:
        raise NotImplementedError

    async def not_delivered(
        self, delivery: Delivery, error: str, *, retry_in_s: float | None
    ) -> None:
        raise NotImplementedError

    async def expire(self, *, most: int) -> Sequence[StoredAudio]:
        """Forget jobs whose time to live has passed; returns their audio, the caller's to
        delete."""
        raise NotImplementedError
