"""Files that wait, in; leases on them, and what became of each, out.

A file waits where its `rank` is set. A held one has a `token`, which whoever holds it shows with
everything it reports: the token changes hands at once with the file, so an older one records
nothing. A lease that ran out still holds until another worker has taken the file.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from serve_app.errors import ErrorCode, SpeechError
from serve_app.jobs.store.ending import FREE, end_if_done
from serve_app.jobs.store.rows import AnyRow, lease_of, request_from_json, storable
from serve_app.jobs.store.tables import files, jobs
from serve_app.jobs.types import JobStatus, Lease
from serve_app.pipelines.transcription import Progress

_MOST_OVERDUE = 1000
"""Files that one call puts back; the next one sees to the others."""
_NUM_RANDOM_BYTES = 18
_RANK = select(-jobs.c.priority).where(jobs.c.number == files.c.job_number).scalar_subquery()
_BACK = {**FREE, "status": JobStatus.PENDING, "done_s": 0.0, "rank": _RANK}
"""Of a file that waits again."""
_THIS_FILE = files.c.number == bindparam("this_number")


async def put_back(connection: AsyncConnection, *, now_s: float, max_attempts: int) -> None:
    """What is due: retries whose time has come, and files whose lease ran out. The latter have
    failed where they were begun `max_attempts` times already."""
    query = select(files.c.number, files.c.job_number, files.c.status, files.c.num_attempts)
    query = query.where(files.c.due_at <= now_s).order_by(files.c.due_at).limit(_MOST_OVERDUE)
    due = (await connection.execute(query.with_for_update(skip_locked=True))).all()
    worn_out = [each for each in due if _is_worn_out(each, max_attempts)]
    waiting = [each.number for each in due if not _is_worn_out(each, max_attempts)]
    if waiting:
        await connection.execute(update(files).where(files.c.number.in_(waiting)).values(_BACK))
    if worn_out:
        await _fail_all(connection, worn_out)
        await end_if_done(connection, {each.job_number for each in worn_out}, now_s=now_s)


def _is_worn_out(file: AnyRow, max_attempts: int) -> bool:
    is_held: bool = file.status == JobStatus.PROCESSING
    return is_held and file.num_attempts >= max_attempts


async def _fail_all(connection: AsyncConnection, worn_out: Iterable[AnyRow]) -> None:
    statement = update(files).where(_THIS_FILE)
    values = {"status": JobStatus.FAILED, "error_code": ErrorCode.ENGINE_FAILED, **FREE}
    reasons = [
        {"this_number": each.number, "reason": f"it ended its worker {each.num_attempts} times"}
        for each in worn_out
    ]
    await connection.execute(statement.values(**values, error=bindparam("reason")), reasons)


async def lease(
    connection: AsyncConnection, worker: str, *, most: int, now_s: float, lease_s: float
) -> Sequence[Lease]:
    """Of those that wait, the first that nobody else is just taking."""
    query = select(
        files.c.number,
        files.c.job_number,
        files.c.file_index,
        files.c.audio_url,
        files.c.audio_bytes,
        files.c.total_s,
        files.c.num_attempts,
    )
    query = query.where(files.c.rank.is_not(None)).order_by(files.c.rank, files.c.number)
    query = query.limit(most).with_for_update(skip_locked=True)
    taken = (await connection.execute(query)).all()
    if not taken:
        return ()
    tokens = [secrets.token_urlsafe(_NUM_RANDOM_BYTES) for _ in taken]
    held: dict[str, Any] = {
        **FREE,
        "status": JobStatus.PROCESSING,
        "worker": worker,
        "due_at": now_s + lease_s,
    }
    held |= {"token": bindparam("new_token"), "num_attempts": files.c.num_attempts + 1}
    await connection.execute(
        update(files).where(_THIS_FILE).values(held),
        [
            {"this_number": each.number, "new_token": token}
            for each, token in zip(taken, tokens, strict=True)
        ],
    )
    of_them = await _begin_jobs(connection, {each.job_number for each in taken}, now_s)
    requests = {job.request: request_from_json(job.request) for job in of_them.values()}
    return [
        lease_of(each, of_them[each.job_number], token, requests)
        for each, token in zip(taken, tokens, strict=True)
    ]


async def _begin_jobs(
    connection: AsyncConnection, numbers: Collection[int], now_s: float
) -> dict[int, AnyRow]:
    """Those of which this is the first file are under way from now on."""
    query = select(jobs.c.number, jobs.c.id, jobs.c.status, jobs.c.request)
    query = query.where(jobs.c.number.in_(numbers))
    found = (await connection.execute(query)).all()
    new = [job.number for job in found if job.status == JobStatus.PENDING]
    if new:
        still_new = jobs.c.number.in_(new) & (jobs.c.status == JobStatus.PENDING)
        in_order = select(jobs.c.number).where(still_new).order_by(jobs.c.number)
        await connection.execute(in_order.with_for_update())
        begun = {"status": JobStatus.PROCESSING, "started_at": now_s}
        await connection.execute(update(jobs).where(still_new).values(begun))
    return {job.number: job for job in found}


async def renew(
    connection: AsyncConnection, held: Mapping[str, Progress], *, now_s: float, lease_s: float
) -> set[str]:
    """The tokens that hold no longer."""
    still = await _lock(connection, held)
    statement = update(files).where(_THIS_FILE).values(due_at=now_s + lease_s)
    statement = statement.values(done_s=bindparam("done"), total_s=bindparam("total"))
    progress = [
        {"this_number": number, "done": held[token].done_s, "total": held[token].total_s}
        for token, number in still.items()
    ]
    if progress:
        await connection.execute(statement, progress)
    return set(held) - set(still)


async def _lock(connection: AsyncConnection, tokens: Collection[str]) -> dict[str, int]:
    """Those that hold, each with the number of its file."""
    query = select(files.c.token, files.c.number).where(files.c.token.in_(tokens))
    rows = await connection.execute(query.order_by(files.c.number).with_for_update())
    return {row.token: row.number for row in rows}


async def complete(
    connection: AsyncConnection, token: str, transcript: str, *, duration_s: float, now_s: float
) -> bool:
    """Whether it held; `transcript` is JSON."""
    values: dict[str, Any] = {**FREE, "status": JobStatus.COMPLETED, "transcript": transcript}
    values |= {"done_s": duration_s, "total_s": duration_s, "error_code": None, "error": None}
    return await _end(connection, token, values, now_s)


async def fail(
    connection: AsyncConnection, token: str, error: SpeechError, *, now_s: float
) -> bool:
    """Whether it held."""
    values = {**FREE, "status": JobStatus.FAILED, **_told(error)}
    return await _end(connection, token, values, now_s)


async def _end(
    connection: AsyncConnection, token: str, values: Mapping[str, object], now_s: float
) -> bool:
    statement = update(files).where(files.c.token == token).values(**values)
    ended = await connection.execute(statement.returning(files.c.job_number))
    number = ended.scalar_one_or_none()
    if number is None:
        return False
    await end_if_done(connection, [number], now_s=now_s)
    return True


async def retry(
    connection: AsyncConnection, token: str, error: SpeechError, *, at_s: float
) -> bool:
    """Whether it held; then it waits again from `at_s` on."""
    values = {**_BACK, "rank": None, "due_at": at_s, **_told(error)}
    statement = update(files).where(files.c.token == token).values(values)
    again = await connection.execute(statement.returning(files.c.number))
    return again.scalar_one_or_none() is not None


def _told(error: SpeechError) -> dict[str, str]:
    return {"error_code": error.code, "error": storable(str(error))}


async def give_back(connection: AsyncConnection, tokens: Collection[str]) -> None:
    """They wait again, as if they had not been begun."""
    numbers = list((await _lock(connection, tokens)).values())
    values = {**_BACK, "num_attempts": files.c.num_attempts - 1}
    await connection.execute(update(files).where(files.c.number.in_(numbers)).values(values))
