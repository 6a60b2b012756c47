"""What a client asks, in; jobs as their owner sees them, out. Nothing changes."""

import base64
import binascii
import re
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from serve_app.errors import InvalidOptionError, UnknownJobError
from serve_app.jobs.store.rows import AnyRow, job_of
from serve_app.jobs.store.tables import deliveries, files, jobs
from serve_app.jobs.types import Counts, Job, JobPage, JobStatus

_JOBS = select(jobs, deliveries.c.delivered_at, deliveries.c.error).outerjoin(deliveries)
_FILES = select(*(column for column in files.c if column.name != "transcript"))
_URLS_AT_ONCE = 500
"""In one query: databases have limits on them."""
_CURSOR = re.compile(rb"j([1-9][0-9]{0,18})")


async def number_of(connection: AsyncConnection, job_id: str, owner: str | None) -> int:
    """
    Raises:
        UnknownJobError: there is no such job, or it is not this owner's.
    """
    if not (job_id.isascii() and job_id.isprintable()):
        raise UnknownJobError(job_id)  # PostgreSQL would not take each of them
    query = select(jobs.c.number).where(jobs.c.id == job_id, _belongs_to(owner))
    number = (await connection.execute(query)).scalar_one_or_none()
    if number is None:
        raise UnknownJobError(job_id)
    return int(number)


def _belongs_to(owner: str | None) -> ColumnElement[bool]:
    return true() if owner is None else jobs.c.owner == owner


async def load(connection: AsyncConnection, number: int) -> Job:
    """One that is there."""
    return (await _load(connection, _JOBS.where(jobs.c.number == number)))[number]


async def _load(connection: AsyncConnection, query: Select[Any]) -> dict[int, Job]:
    """By number, in the order of the query."""
    rows = (await connection.execute(query)).all()
    numbers = [row.number for row in rows]
    of_them = _FILES.where(files.c.job_number.in_(numbers)).order_by(files.c.number)
    found: Sequence[AnyRow] = (await connection.execute(of_them)).all() if numbers else ()
    by_job = {number: list(group) for number, group in groupby(found, key=attrgetter("job_number"))}
    return {row.number: job_of(row, by_job.get(row.number, ())) for row in rows}


async def page(
    connection: AsyncConnection,
    owner: str | None,
    *,
    status: JobStatus | None,
    limit: int,
    cursor: str | None,
) -> JobPage:
    """See `JobStore.page`."""
    query = _JOBS.where(_belongs_to(owner)).order_by(jobs.c.number.desc())
    if status is not None:
        query = query.where(jobs.c.status == status)
    if cursor is not None:
        query = query.where(jobs.c.number < _number_before(cursor))
    found = await _load(connection, query.limit(limit + 1))
    shown = dict(list(found.items())[:limit])
    is_last = len(found) <= limit
    return JobPage(tuple(shown.values()), None if is_last else _cursor_of(min(shown)))


def _cursor_of(number: int) -> str:
    return base64.urlsafe_b64encode(f"j{number}".encode()).rstrip(b"=").decode()


def _number_before(cursor: str) -> int:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        matched = _CURSOR.fullmatch(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeEncodeError, binascii.Error):
        matched = None
    if matched is None or int(matched[1]) >= 2**63:
        raise InvalidOptionError("cursor", "is none that this server gave out")
    return int(matched[1])


async def transcripts(connection: AsyncConnection, number: int) -> Sequence[str | None]:
    """As JSON, one for each file."""
    query = select(files.c.transcript).where(files.c.job_number == number)
    return (await connection.execute(query.order_by(files.c.number))).scalars().all()


async def without_job(connection: AsyncConnection, urls: Sequence[str]) -> list[str]:
    """Those of `urls` that are the audio of no file."""
    known: set[str] = set()
    for start in range(0, len(urls), _URLS_AT_ONCE):
        some = urls[start : start + _URLS_AT_ONCE]
        is_kept = files.c.audio_bytes.is_not(None)
        query = select(files.c.audio_url).where(files.c.audio_url.in_(some), is_kept)
        known.update((await connection.execute(query)).scalars())
    return [url for url in urls if url not in known]


async def counts(connection: AsyncConnection) -> Counts:
    """From an index alone, which is a small part of the table."""
    query = select(files.c.status, func.count(), func.sum(files.c.audio_bytes))
    rows = (await connection.execute(query.group_by(files.c.status))).all()
    by_status = dict.fromkeys(JobStatus, 0)
    by_status |= {JobStatus(status): num_files for status, num_files, _ in rows}
    return Counts(by_status, sum(int(num_bytes or 0) for *_, num_bytes in rows))


async def oldest_waiting(connection: AsyncConnection) -> float | None:
    """When the oldest job was created of which a file waits for a worker; files are numbered in
    the order of their jobs."""
    first = select(func.min(files.c.number)).where(files.c.rank.is_not(None)).scalar_subquery()
    query = select(jobs.c.created_at).join(files).where(files.c.number == first)
    return (await connection.execute(query)).scalar_one_or_none()
