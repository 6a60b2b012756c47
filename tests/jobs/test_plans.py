"""No call of the store looks through a whole table, however much lies in it."""

import re
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from serve_app.errors import EngineError
from serve_app.jobs.store import JobStore
from serve_app.jobs.types import JobStatus
from serve_app.pipelines.transcription import Progress
from tests.jobs.jobs_to_do import HELLO, LONG_S, new_job

CALLBACK = "https://a.example"


async def work(store: JobStore) -> None:
    """Every call once, so that every statement is sent."""
    ids = []
    for _ in range(6):
        new = new_job(2, owner="alice", callback_url=CALLBACK, time_to_live_s=0.0)
        ids.append((await store.submit(new))[0].id)
    await store.submit(new_job(idempotency_key="k", fingerprint="f"))
    await store.submit(new_job(idempotency_key="k", fingerprint="f"))
    for _ in range(4):  # the last of these fails what ended its workers
        await store.lease("w", most=1, lease_s=0.0)
    first, second, third, fourth = await store.lease("w", most=4, lease_s=LONG_S)
    await store.renew({first.token: Progress(0.0, 1.0), "x": Progress(0, 1)}, lease_s=LONG_S)
    await store.complete(first, HELLO)
    await store.fail(second, EngineError("m", "r"), retry_in_s=None)
    await store.fail(third, EngineError("m", "r"), retry_in_s=0.0)
    await store.give_back([fourth.token])
    await store.cancel(ids[-1], "alice")
    (delivery, *_) = await store.deliveries("w", most=1, lease_s=0.0)
    await store.not_delivered(delivery, "e", retry_in_s=0.0)
    (delivery, *_) = await store.deliveries("w", most=1, lease_s=0.0)
    await store.delivered(delivery)
    await store.results(ids[0], "alice")
    for owner in ("alice", None):
        for status in (None, JobStatus.PENDING):
            page = await store.page(owner, status=status, limit=1)
            await store.page(owner, status=status, limit=1, cursor=page.next_cursor)
    await store.counts()
    assert await store.take_audio_of_ended(most=1)
    await store.expire(most=1)
    await store.delete(ids[-2], "alice")


async def statements_of(
    store: JobStore, call: Callable[[JobStore], Awaitable[None]]
) -> dict[str, Any]:
    """What it sends, each with some parameters."""
    sent: dict[str, Any] = {}

    def note(*of_cursor: Any) -> None:
        _, _, statement, parameters, _, is_many = of_cursor
        sent[statement] = parameters[0] if is_many else parameters

    event.listen(Engine, "before_cursor_execute", note)
    try:
        await call(store)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return sent


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_every_statement_uses_an_index(store: JobStore, tmp_path: Path) -> None:
    sent = await statements_of(store, work)
    assert len(sent) > 40
    connection = sqlite3.connect(tmp_path / "folder" / "jobs.sqlite3")
    for statement, parameters in sent.items():
        if not re.match(r"SELECT|UPDATE|DELETE", statement):
            continue
        plan = [
            step[-1] for step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
        for step in plan:
            is_scan = step.startswith("SCAN job") and "USING" not in step
            if "LIMIT" in statement:  # pages of all jobs are read from their end, in order
                is_scan = step.startswith("USE TEMP B-TREE")
            assert not is_scan, f"{statement}\n{plan}"
            assert "AUTOMATIC" not in step, f"{statement}\n{plan}"
    connection.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_queue_is_read_in_the_order_of_its_index(store: JobStore, tmp_path: Path) -> None:
    async def lease(store: JobStore) -> None:
        await store.lease("w", most=1, lease_s=0.0)

    sent = await statements_of(store, lease)
    (statement,) = (each for each in sent if "ORDER BY job_files.rank" in each)
    connection = sqlite3.connect(tmp_path / "folder" / "jobs.sqlite3")
    plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", sent[statement]).fetchall()
    connection.close()
    assert [step[-1] for step in plan] == ["SEARCH job_files USING INDEX job_files_queue (rank>?)"]
