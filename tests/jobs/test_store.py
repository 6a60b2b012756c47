"""Jobs are handed in, and seen by their owners alone."""

import asyncio
from dataclasses import replace

import pytest

from serve_app.errors import (
    AtCapacityError,
    IdempotencyConflictError,
    InvalidOptionError,
    UnknownJobError,
)
from serve_app.jobs.store import JobStore
from serve_app.jobs.types import JobPage, JobStatus, NewJob
from tests.jobs.jobs_to_do import HELLO, LONG_S, REQUEST, new_file, new_job


async def test_a_job_is_as_it_was_handed_in(store: JobStore) -> None:
    new = new_job(3, owner="alice", priority=7, callback_url="https://a.example/done")
    submitted, is_new = await store.submit(new)
    assert is_new
    assert await store.find(submitted.id, "alice") == submitted
    assert submitted.id.startswith("job_")
    assert len(submitted.id) == 28
    assert submitted.status == JobStatus.PENDING
    assert submitted.request == REQUEST
    assert (submitted.owner, submitted.priority) == ("alice", 7)
    assert submitted.callback_url == new.callback_url
    assert [file.filename for file in submitted.files] == ["0.wav", "1.wav", "2.wav"]
    assert (submitted.progress.done_s, submitted.progress.total_s) == (0.0, 6.0)
    assert submitted.started_at is submitted.completed_at is submitted.expires_at is None
    assert submitted.created_at.utcoffset() is not None


async def test_a_job_is_begun_and_completed(store: JobStore) -> None:
    job, _ = await store.submit(new_job(2, time_to_live_s=60.0))
    first, second = await store.lease("w", most=5, lease_s=LONG_S)
    begun = await store.find(job.id, None)
    assert begun.status == JobStatus.PROCESSING
    assert begun.started_at is not None
    assert await store.complete(first, HELLO)
    assert (await store.find(job.id, None)).status == JobStatus.PROCESSING
    assert await store.results(job.id, None) == (HELLO, None)
    assert await store.complete(second, HELLO)
    ended = await store.find(job.id, None)
    assert ended.status == JobStatus.COMPLETED
    assert ended.completed_at is not None
    assert ended.expires_at is not None
    assert (ended.expires_at - ended.completed_at).total_seconds() == pytest.approx(60.0)
    assert await store.results(job.id, None) == (HELLO, HELLO)
    assert ended.progress.done_s == ended.progress.total_s == 4.0


async def test_nobody_sees_the_job_of_another(store: JobStore) -> None:
    job, _ = await store.submit(new_job(owner="alice"))
    nobodys, _ = await store.submit(new_job())
    for owner in ("bob", ""):
        for call in (store.find, store.results, store.cancel, store.delete):
            with pytest.raises(UnknownJobError):
                await call(job.id, owner)
    with pytest.raises(UnknownJobError):
        await store.find(nobodys.id, "alice")
    assert (await store.page("bob")).jobs == ()
    assert (await store.page("alice")).jobs == (job,)
    assert (await store.page(None)).jobs == (nobodys, job)
    assert await store.find(job.id, None) == job


async def test_the_same_key_again_is_the_same_job(store: JobStore) -> None:
    first, _ = await store.submit(new_job(owner="alice", idempotency_key="k", fingerprint="f"))
    again, is_new = await store.submit(new_job(owner="alice", idempotency_key="k", fingerprint="f"))
    assert not is_new
    assert again == first
    with pytest.raises(IdempotencyConflictError):
        await store.submit(new_job(owner="alice", idempotency_key="k", fingerprint="g"))
    for owner in ("bob", None):
        other, is_new = await store.submit(new_job(owner=owner, idempotency_key="k"))
        assert is_new
        assert other.id != first.id


async def test_the_same_key_twice_at_once_is_one_job(database_url: str) -> None:
    stores = [await JobStore.open(database_url, max_queued=100, max_attempts=3) for _ in range(2)]
    answers = await asyncio.gather(
        *(stores[index % 2].submit(new_job(idempotency_key="k")) for index in range(20))
    )
    assert len({job.id for job, _ in answers}) == 1
    assert sum(is_new for _, is_new in answers) == 1
    assert len((await stores[0].page(None)).jobs) == 1
    for store in stores:
        await store.close()


@pytest.mark.parametrize("is_removed", [True, False])
async def test_an_expired_job_frees_its_key(store: JobStore, is_removed: bool) -> None:
    first, _ = await store.submit(new_job(idempotency_key="k", time_to_live_s=0.0))
    await store.cancel(first.id, None)
    if is_removed:
        assert await store.expire(most=10)
    second, is_new = await store.submit(new_job(idempotency_key="k", fingerprint="another"))
    assert is_new
    assert second.id != first.id


async def test_no_more_files_wait_than_may(database_url: str) -> None:
    store = await JobStore.open(database_url, max_queued=5, max_attempts=3)
    await store.submit(new_job(3, idempotency_key="k"))
    with pytest.raises(AtCapacityError) as raised:
        await store.submit(new_job(3))
    assert "3 recordings" in str(raised.value)
    await store.submit(new_job(2))
    assert not (await store.submit(new_job(3, idempotency_key="k")))[1]
    await store.lease("w", most=1, lease_s=LONG_S)
    await store.submit(new_job(1))
    with pytest.raises(AtCapacityError):
        await store.submit(new_job(1))
    await store.close()


async def test_submitting_at_once_keeps_the_limit(database_url: str) -> None:
    store = await JobStore.open(database_url, max_queued=10, max_attempts=3)
    answers = await asyncio.gather(
        *(store.submit(new_job(3)) for _ in range(20)), return_exceptions=True
    )
    assert sum(isinstance(answer, AtCapacityError) for answer in answers) == 17
    assert (await store.counts()).by_status[JobStatus.PENDING] == 9
    await store.close()


async def test_texts_that_no_database_takes_are_made_harmless(store: JobStore) -> None:
    file = new_file("a.wav")
    file = replace(file, filename="\0\ud800ä.wav")
    job, _ = await store.submit(NewJob([file], REQUEST, idempotency_key="\0"))
    assert await store.submit(NewJob([file], REQUEST, idempotency_key="\0")) == (job, False)
    assert job.files[0].filename == "\N{REPLACEMENT CHARACTER}?ä.wav"


@pytest.mark.parametrize("job_id", ["", "job_\0", "job_\ud800", "job_é", "job_' OR '1'='1", "%"])
async def test_there_is_no_job_of_a_strange_id(store: JobStore, job_id: str) -> None:
    await store.submit(new_job())
    with pytest.raises(UnknownJobError):
        await store.find(job_id, None)


async def test_pages_cover_every_job_once(store: JobStore) -> None:
    expected = [(await store.submit(new_job(owner="alice")))[0].id for _ in range(250)]
    await store.submit(new_job(owner="bob"))
    seen: list[str] = []
    page = await store.page("alice", limit=7)
    while True:
        seen += [job.id for job in page.jobs]
        if page.next_cursor is None:
            break
        await store.submit(new_job(owner="alice"))  # newer than all that are still to come
        page = await store.page("alice", limit=7, cursor=page.next_cursor)
    assert seen == expected[::-1]


async def test_a_full_last_page_has_no_cursor(store: JobStore) -> None:
    assert await store.page(None) == JobPage((), None)
    for _ in range(4):
        await store.submit(new_job(2))
    page = await store.page(None, limit=2)
    assert page.next_cursor is not None
    last = await store.page(None, limit=2, cursor=page.next_cursor)
    assert last.next_cursor is None
    assert len(last.jobs) == 2
    assert all(len(job.files) == 2 for job in page.jobs)


async def test_pages_of_one_status(store: JobStore) -> None:
    ids = [(await store.submit(new_job(owner="alice")))[0].id for _ in range(20)]
    cancelled = ids[::3]
    for job_id in cancelled:
        await store.cancel(job_id, "alice")
    for owner in ("alice", None):
        first = await store.page(owner, status=JobStatus.CANCELLED, limit=4)
        second = await store.page(
            owner, status=JobStatus.CANCELLED, limit=4, cursor=first.next_cursor
        )
        assert [job.id for job in (*first.jobs, *second.jobs)] == cancelled[::-1]
    assert (await store.page("bob", status=JobStatus.CANCELLED)).jobs == ()


@pytest.mark.parametrize(
    "cursor", ["", "j", "j5", "5", "ajUA", "ä", "====", "ag", "aiA1", "ajk5OTk5" * 4, "\0"]
)
async def test_a_cursor_of_somebody_else_is_refused(store: JobStore, cursor: str) -> None:
    await store.submit(new_job())
    with pytest.raises(InvalidOptionError) as raised:
        await store.page(None, cursor=cursor)
    assert raised.value.param == "cursor"


async def test_counts_are_of_files_and_of_audio_that_is_kept(store: JobStore) -> None:
    assert (await store.counts()).by_status == dict.fromkeys(JobStatus, 0)
    await store.submit(new_job(3))
    job, _ = await store.submit(NewJob([new_file(num_bytes=2**40)], REQUEST))
    await store.lease("w", most=1, lease_s=LONG_S)
    await store.cancel(job.id, None)
    counts = await store.counts()
    assert counts.by_status == {
        JobStatus.PENDING: 2,
        JobStatus.PROCESSING: 1,
        JobStatus.COMPLETED: 0,
        JobStatus.FAILED: 0,
        JobStatus.CANCELLED: 1,
    }
    assert counts.stored_bytes == 300 + 2**40
    assert await store.take_audio_of_ended(most=10) == (new_file(num_bytes=2**40).audio,)
    assert (await store.counts()).stored_bytes == 300
