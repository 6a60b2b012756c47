"""Processes that are killed lose nothing that they were told, and keep nobody waiting."""

import asyncio
import random
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from serve_app.jobs.store import JobStore
from serve_app.jobs.types import JobStatus, Lease
from tests.jobs.jobs_to_do import HELLO, LONG_S, new_job

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60


async def start(url: str, what: str) -> Process:
    command = [sys.executable, "-m", "tests.jobs.working_process", url, what]
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE)


async def line_of(process: Process) -> list[str]:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        return (await process.stdout.readline()).decode().split()


async def kill(process: Process) -> list[list[str]]:
    """What it had said and nobody had read."""
    process.send_signal(signal.SIGKILL)
    assert process.stdout is not None
    rest = (await process.stdout.read()).decode()
    await process.wait()
    return [line.split() for line in rest.splitlines(keepends=True) if line.endswith("\n")]


async def eventually_leased(store: JobStore) -> Lease:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for lease in await store.lease("parent", most=1, lease_s=LONG_S):
                return lease


async def test_the_file_of_a_killed_worker_is_taken_by_another(
    store: JobStore, database_url: str
) -> None:
    job, _ = await store.submit(new_job())
    worker = await start(database_url, "lease")
    assert await line_of(worker) == ["opened"]
    assert (await line_of(worker))[0] == "leased"
    assert (await store.find(job.id, None)).status == JobStatus.PROCESSING
    await kill(worker)
    lease = await eventually_leased(store)
    assert (lease.job_id, lease.num_attempts) == (job.id, 2)
    assert await store.complete(lease, HELLO)
    assert (await store.find(job.id, None)).status == JobStatus.COMPLETED


@pytest.mark.parametrize("seed", range(3))
async def test_a_process_killed_at_any_moment_loses_nothing_that_it_was_told(
    store: JobStore, database_url: str, seed: int
) -> None:
    worker = await start(database_url, "work")
    said = [await line_of(worker) for _ in range(random.Random(seed).randint(5, 60))]
    said += await kill(worker)
    for what, *about in said:
        if what == "submitted":
            assert len((await store.find(about[0], None)).files) == 2
        if what == "completed":
            assert (await store.results(about[0], None))[int(about[1])] == HELLO
    num_delivered = len(await store.deliveries("w", most=1000, lease_s=LONG_S))
    jobs = (await store.page(None, limit=1000)).jobs
    assert num_delivered == sum(job.status.has_ended for job in jobs)
    for job in jobs:
        assert job.status.has_ended == all(file.status.has_ended for file in job.files)
    async with asyncio.timeout(20):  # nothing is locked
        new, _ = await store.submit(new_job(priority=1))
        assert (await eventually_leased(store)).job_id == new.id


async def test_processes_that_start_at_once_make_the_tables_once(database_url: str) -> None:
    processes = await asyncio.gather(*(start(database_url, "open") for _ in range(4)))
    for process in processes:
        assert await line_of(process) == ["opened"]
        assert await process.wait() == 0


async def test_nothing_is_lost_where_a_process_opens_the_store_twice_and_others_come_and_go(
    store: JobStore, database_url: str
) -> None:
    await store.submit(new_job())
    again = await JobStore.open(database_url, max_queued=100, max_attempts=3)
    ids = []
    for _ in range(2):
        visitor = await start(database_url, "open")  # if it were alone, it would tidy up
        assert await line_of(visitor) == ["opened"]
        assert await visitor.wait() == 0
        ids.append((await store.submit(new_job()))[0].id)
        ids.append((await again.submit(new_job()))[0].id)
    await again.close()
    later = await start(database_url, "ids")
    assert set(ids) <= set(await line_of(later))
    assert await later.wait() == 0
