"""A database that is lost is told of soon, and used again as soon as it is back."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from serve_app.errors import ConfigError
from serve_app.jobs.database import CONNECTION_ERRORS
from serve_app.jobs.store import JobStore
from tests.jobs import postgres
from tests.jobs.jobs_to_do import HELLO, LONG_S, new_job

SOON_S = 15.0


@pytest.fixture
def own_server() -> Iterator[str]:
    """One that a test may stop."""
    reason = postgres.missing()
    if reason is not None:
        pytest.skip(reason)
    with postgres.running() as folder:
        yield folder


@pytest.fixture
async def own_store(own_server: str) -> AsyncIterator[JobStore]:
    store = await JobStore.open(postgres.url(own_server), max_queued=100, max_attempts=3)
    yield store
    await store.close()


async def test_a_server_that_comes_back_is_used_again(own_server: str, own_store: JobStore) -> None:
    await asyncio.gather(*(own_store.submit(new_job()) for _ in range(5)))
    (lease,) = await own_store.lease("w", most=1, lease_s=LONG_S)
    await asyncio.to_thread(postgres.stop, own_server)
    for _ in range(3):
        with pytest.raises(CONNECTION_ERRORS):
            await own_store.complete(lease, HELLO)
    await asyncio.to_thread(postgres.start, own_server)
    assert await own_store.complete(lease, HELLO)
    assert len((await own_store.page(None)).jobs) == 5


async def test_a_server_that_answers_no_more_is_told_of_soon(
    own_server: str, own_store: JobStore
) -> None:
    job, _ = await own_store.submit(new_job())
    frozen = postgres.processes(own_server)
    for process in frozen:
        os.kill(process, signal.SIGSTOP)
    try:
        async with asyncio.timeout(SOON_S):
            with pytest.raises(CONNECTION_ERRORS):
                await own_store.find(job.id, None)
        async with asyncio.timeout(SOON_S):
            with pytest.raises(ConfigError):
                await JobStore.open(postgres.url(own_server), max_queued=1, max_attempts=1)
    finally:
        for process in frozen:
            os.kill(process, signal.SIGCONT)
    assert await own_store.find(job.id, None) == job
