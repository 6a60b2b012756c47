"""Jobs are handed in, seen by their owners alone, and end as their files do."""

import pytest

from serve_app.jobs.store import JobStore
from serve_app.jobs.types import JobStatus
from tests.jobs.jobs_to_do import HELLO, LONG_S, REQUEST, new_job


async def test_a_job_is_begun_and_completed(store: JobStore) -> None:
    job, is_new = await store.submit(new_job(2, owner="alice", time_to_live_s=60.0))
    assert is_new
    assert job.status == JobStatus.PENDING
    assert job.request == REQUEST
    first, second = await store.lease("w", most=5, lease_s=LONG_S)
    found = await store.find(job.id, "alice")
    assert found.status == JobStatus.PROCESSING
    assert found.started_at is not None
    assert await store.complete(first, HELLO)
    assert (await store.find(job.id, "alice")).status == JobStatus.PROCESSING
    assert await store.results(job.id, "alice") == (HELLO, None)
    assert await store.complete(second, HELLO)
    found = await store.find(job.id, "alice")
    assert found.status == JobStatus.COMPLETED
    assert found.completed_at is not None
    assert found.expires_at is not None
    assert (found.expires_at - found.completed_at).total_seconds() == pytest.approx(60.0)
    assert await store.results(job.id, "alice") == (HELLO, HELLO)
    assert found.progress.done_s == found.progress.total_s == 4.0
