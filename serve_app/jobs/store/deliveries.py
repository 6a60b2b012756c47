"""Callbacks of ended jobs: who tries to deliver each next, and what came of it."""

import secrets
from collections.abc import Sequence

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from serve_app.jobs.store.rows import delivery_of, storable
from serve_app.jobs.store.tables import deliveries, jobs
from serve_app.jobs.types import Delivery

_NUM_RANDOM_BYTES = 18
_FREE: dict[str, None] = {"due_at": None, "token": None, "worker": None}


async def lease(
    connection: AsyncConnection, worker: str, *, most: int, now_s: float, lease_s: float
) -> Sequence[Delivery]:
    """The longest due; also those whose lease ran out."""
    query = select(
        deliveries.c.job_number,
        deliveries.c.id,
        deliveries.c.num_attempts,
        jobs.c.id.label("job_id"),
        jobs.c.callback_url,
    )
    query = query.join(jobs).where(deliveries.c.due_at <= now_s).order_by(deliveries.c.due_at)
    query = query.limit(most).with_for_update(of=deliveries, skip_locked=True)
    due = (await connection.execute(query)).all()
    if not due:
        return ()
    tokens = [secrets.token_urlsafe(_NUM_RANDOM_BYTES) for _ in due]
    this_one = deliveries.c.job_number == bindparam("this_number")
    statement = (
        update(deliveries)
        .where(this_one)
        .values(
            worker=worker,
            token=bindparam("new_token"),
            due_at=now_s + lease_s,
            num_attempts=deliveries.c.num_attempts + 1,
        )
    )
    values = [
        {"this_number": each.job_number, "new_token": token}
        for each, token in zip(due, tokens, strict=True)
    ]
    await connection.execute(statement, values)
    return [delivery_of(each, token) for each, token in zip(due, tokens, strict=True)]


async def delivered(connection: AsyncConnection, token: str, *, now_s: float) -> None:
    values = {**_FREE, "delivered_at": now_s, "error": None}
    await connection.execute(update(deliveries).where(deliveries.c.token == token).values(**values))


async def not_delivered(
    connection: AsyncConnection, token: str, error: str, *, due_at: float | None
) -> None:
    """Due again at `due_at`, or given up."""
    values = {**_FREE, "due_at": due_at, "error": storable(error)}
    await connection.execute(update(deliveries).where(deliveries.c.token == token).values(**values))
