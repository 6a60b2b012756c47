"""A job that is handed in, in; its number, and whether it is a new one, out."""

import secrets

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from serve_app.errors import AtCapacityError, IdempotencyConflictError
from serve_app.jobs.store.rows import request_to_json, storable
from serve_app.jobs.store.tables import files, jobs
from serve_app.jobs.types import JobStatus, NewFile, NewJob

_RETRY_AFTER_S = 30.0
_NUM_RANDOM_BYTES = 18
"""Are 24 characters."""


async def submit(
    connection: AsyncConnection, new: NewJob, *, now_s: float, max_queued: int
) -> tuple[int, bool]:
    """Nobody else may submit meanwhile.

    Raises:
        AtCapacityError, IdempotencyConflictError: see `JobStore.submit`.
    """
    known = await _known(connection, new, now_s)
    if known is not None:
        return known, False
    waiting = select(func.count()).where(files.c.status == JobStatus.PENDING)
    num_waiting = (await connection.execute(waiting)).scalar_one()
    if num_waiting + len(new.files) > max_queued:
        raise AtCapacityError(f"{num_waiting:,} recordings in the queue", _RETRY_AFTER_S)
    number = await _insert_job(connection, new, now_s)
    values = [_file_values(new, number, index, each) for index, each in enumerate(new.files)]
    await connection.execute(insert(files), values)
    return number, True


async def _known(connection: AsyncConnection, new: NewJob, now_s: float) -> int | None:
    """The job that the idempotency key names already."""
    if new.idempotency_key is None:
        return None
    named = (jobs.c.owner == (new.owner or "")) & (jobs.c.idempotency_key == _key(new))
    query = select(jobs.c.number, jobs.c.fingerprint, jobs.c.expires_at).where(named)
    found = (await connection.execute(query)).one_or_none()
    if found is None:
        return None
    if found.expires_at is not None and found.expires_at <= now_s:  # nobody has removed it yet
        await connection.execute(update(jobs).where(named).values(idempotency_key=None))
        return None
    if found.fingerprint != new.fingerprint:
        raise IdempotencyConflictError(new.idempotency_key)
    return int(found.number)


def _key(new: NewJob) -> str | None:
    return None if new.idempotency_key is None else storable(new.idempotency_key)


async def _insert_job(connection: AsyncConnection, new: NewJob, now_s: float) -> int:
    values = {
        "id": f"job_{secrets.token_urlsafe(_NUM_RANDOM_BYTES)}",
        "owner": new.owner or "",
        "status": JobStatus.PENDING,
        "priority": new.priority,
        "created_at": now_s,
        "time_to_live_s": new.time_to_live_s,
        "callback_url": new.callback_url,
        "idempotency_key": _key(new),
        "fingerprint": new.fingerprint,
        "request": request_to_json(new.request),
    }
    inserted = await connection.execute(insert(jobs).values(values).returning(jobs.c.number))
    return int(inserted.scalar_one())


def _file_values(new: NewJob, number: int, index: int, file: NewFile) -> dict[str, object]:
    return {
        "job_number": number,
        "file_index": index,
        "filename": storable(file.filename),
        "audio_url": file.audio.url,
        "audio_bytes": file.audio.num_bytes,
        "status": JobStatus.PENDING,
        "done_s": 0.0,
        "total_s": file.expected_s,
        "num_attempts": 0,
        "rank": -new.priority,
    }
