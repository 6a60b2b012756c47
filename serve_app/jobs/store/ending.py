"""How jobs end: by themselves when their last file has, cancelled, deleted, or out of time."""

import secrets
from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from serve_app.errors import JobEndedError, UnknownJobError
from serve_app.jobs.store.rows import AnyRow, audio_of
from serve_app.jobs.store.tables import deliveries, files, jobs
from serve_app.jobs.types import JobStatus
from serve_app.pipelines.transcription import StoredAudio

NOT_ENDED = (JobStatus.PENDING, JobStatus.PROCESSING)
FREE: dict[str, None] = {"rank": None, "due_at": None, "token": None, "worker": None}
"""Of a file that neither waits nor is held."""

_NUM_RANDOM_BYTES = 18
_TO_END = select(
    jobs.c.number, jobs.c.id, jobs.c.status, jobs.c.time_to_live_s, jobs.c.callback_url
)


async def end_if_done(
    connection: AsyncConnection, numbers: Collection[int], *, now_s: float
) -> None:
    """End those of the jobs whose files have all ended; the caller has just ended some."""
    query = _TO_END.where(jobs.c.number.in_(sorted(numbers)), jobs.c.status.in_(NOT_ENDED))
    open_jobs = (await connection.execute(query.order_by(jobs.c.number).with_for_update())).all()
    if not open_jobs:
        return
    # A statement of its own: it sees what others committed while this one waited for the lock.
    of_them = files.c.job_number.in_([job.number for job in open_jobs])
    found = select(files.c.job_number, files.c.status).where(of_them).distinct()
    statuses: dict[int, set[JobStatus]] = {}
    for number, status in (await connection.execute(found)).all():
        statuses.setdefault(number, set()).add(JobStatus(status))
    for job in open_jobs:
        if statuses[job.number].isdisjoint(NOT_ENDED):
            has_failed = JobStatus.FAILED in statuses[job.number]
            status = JobStatus.FAILED if has_failed else JobStatus.COMPLETED
            await _end(connection, job, status, now_s)


async def _end(connection: AsyncConnection, job: AnyRow, status: JobStatus, now_s: float) -> None:
    values = {
        "status": status,
        "completed_at": now_s,
        "expires_at": now_s + job.time_to_live_s,
        "audio_unused_since": now_s,
    }
    await connection.execute(update(jobs).where(jobs.c.number == job.number).values(values))
    if job.callback_url is not None:
        delivery = {
            "job_number": job.number,
            "id": f"msg_{secrets.token_urlsafe(_NUM_RANDOM_BYTES)}",
            "num_attempts": 0,
            "due_at": now_s,
        }
        await connection.execute(insert(deliveries).values(delivery))


async def _lock(connection: AsyncConnection, condition: ColumnElement[bool]) -> Sequence[AnyRow]:
    """The jobs for which it holds, with all their files; now and until the transaction ends."""
    numbers = (await connection.execute(select(jobs.c.number).where(condition))).scalars().all()
    of_them = files.c.job_number.in_(numbers)
    in_order = select(files.c.number).where(of_them).order_by(files.c.number)
    await connection.execute(in_order.with_for_update())
    still = _TO_END.where(jobs.c.number.in_(numbers), condition).order_by(jobs.c.number)
    return (await connection.execute(still.with_for_update())).all()


async def cancel(connection: AsyncConnection, number: int, job_id: str, *, now_s: float) -> None:
    """See `JobStore.cancel`."""
    locked = await _lock(connection, jobs.c.number == number)
    if not locked:
        raise UnknownJobError(job_id)
    (job,) = locked
    if JobStatus(job.status).has_ended:
        raise JobEndedError(job_id, job.status)
    left = (files.c.job_number == number) & files.c.status.in_(NOT_ENDED)
    values = {"status": JobStatus.CANCELLED, **FREE}
    await connection.execute(update(files).where(left).values(values))
    await _end(connection, job, JobStatus.CANCELLED, now_s)


async def forget(
    connection: AsyncConnection, condition: ColumnElement[bool]
) -> tuple[StoredAudio, ...] | None:
    """Delete the jobs for which it holds; their audio, or None where there was no such job."""
    numbers = [job.number for job in await _lock(connection, condition)]
    if not numbers:
        return None
    audio = await _audio(connection, numbers)
    await connection.execute(delete(jobs).where(jobs.c.number.in_(numbers)))
    return audio


async def expire(
    connection: AsyncConnection, *, most: int, now_s: float
) -> tuple[StoredAudio, ...]:
    """Forget jobs whose time has passed."""
    return await forget(connection, _first(jobs.c.expires_at, most, now_s)) or ()


async def take_audio(
    connection: AsyncConnection, *, most: int, now_s: float
) -> tuple[StoredAudio, ...]:
    """Of ended jobs: it counts as gone from now on."""
    unused = _first(jobs.c.audio_unused_since, most, now_s)
    numbers = [job.number for job in await _lock(connection, unused)]
    audio = await _audio(connection, numbers)
    of_them = files.c.job_number.in_(numbers)
    await connection.execute(update(files).where(of_them).values(audio_bytes=None))
    taken = update(jobs).where(jobs.c.number.in_(numbers)).values(audio_unused_since=None)
    await connection.execute(taken)
    return audio


def _first(since: ColumnElement[float], most: int, now_s: float) -> ColumnElement[bool]:
    """Of the `most` jobs whose time `since` has come for longest."""
    due = select(jobs.c.number).where(since <= now_s).order_by(since).limit(most)
    return jobs.c.number.in_(due.scalar_subquery())


async def _audio(connection: AsyncConnection, numbers: Collection[int]) -> tuple[StoredAudio, ...]:
    of_them = files.c.job_number.in_(numbers)
    query = select(files.c.audio_url, files.c.audio_bytes).where(of_them)
    return audio_of((await connection.execute(query.order_by(files.c.number))).all())
