"""Jobs that are cancelled, deleted, or out of time; their audio and their callbacks."""

import asyncio

import pytest

from serve_app.errors import EngineError, JobEndedError, UnknownJobError
from serve_app.jobs.store import JobStore
from serve_app.jobs.types import JobStatus
from serve_app.pipelines.transcription import Progress
from tests.jobs.jobs_to_do import HELLO, LONG_S, new_file, new_job

URL = "https://a.example/done"


async def test_a_cancelled_job_ends_at_once(store: JobStore) -> None:
    job, _ = await store.submit(new_job(3, owner="alice", callback_url=URL))
    done, held = await store.lease("w", most=2, lease_s=LONG_S)
    await store.complete(done, HELLO)
    cancelled = await store.cancel(job.id, "alice")
    assert cancelled.status == JobStatus.CANCELLED
    assert cancelled.completed_at is not None
    assert cancelled.expires_at is not None
    statuses = [file.status for file in cancelled.files]
    assert statuses == [JobStatus.COMPLETED, JobStatus.CANCELLED, JobStatus.CANCELLED]
    assert await store.renew({held.token: Progress(1.0, 2.0)}, lease_s=LONG_S) == {held.token}
    assert not await store.complete(held, HELLO)
    assert await store.lease("w", most=5, lease_s=LONG_S) == ()
    assert await store.results(job.id, "alice") == (HELLO, None, None)
    assert len(await store.deliveries("w", most=5, lease_s=LONG_S)) == 1


async def test_an_ended_job_cannot_be_cancelled(store: JobStore) -> None:
    job, _ = await store.submit(new_job())
    await store.cancel(job.id, None)
    with pytest.raises(JobEndedError) as raised:
        await store.cancel(job.id, None)
    assert str(raised.value).endswith("it is cancelled")


@pytest.mark.parametrize("state", ["pending", "processing", "waits to be tried again", "completed"])
async def test_a_job_in_any_state_can_be_deleted(store: JobStore, state: str) -> None:
    job, _ = await store.submit(new_job(2, callback_url=URL))
    leases = []
    if state != "pending":
        leases = list(await store.lease("w", most=2, lease_s=LONG_S))
    for lease in leases:
        if state == "completed":
            await store.complete(lease, HELLO)
        elif state != "processing":
            await store.fail(lease, EngineError("m", "r"), retry_in_s=0.0)
    audio = await store.delete(job.id, None)
    assert audio == (new_file("0.wav").audio, new_file("1.wav").audio)
    for call in (store.find, store.results, store.cancel, store.delete):
        with pytest.raises(UnknownJobError):
            await call(job.id, None)
    tokens = {lease.token: Progress(0.0, 1.0) for lease in leases}
    assert set(await store.renew(tokens, lease_s=LONG_S)) == set(tokens)
    assert await store.lease("w", most=5, lease_s=LONG_S) == ()
    assert await store.deliveries("w", most=5, lease_s=LONG_S) == ()
    counts = await store.counts()
    assert (sum(counts.by_status.values()), counts.stored_bytes) == (0, 0)


async def test_cancelling_deleting_and_working_at_once_ends_every_job(database_url: str) -> None:
    stores = [
        await JobStore.open(database_url, max_queued=10_000, max_attempts=3) for _ in range(3)
    ]
    ids = [(await stores[0].submit(new_job(5, time_to_live_s=0.0)))[0].id for _ in range(60)]

    async def work(store: JobStore) -> None:
        while leases := await store.lease("w", most=4, lease_s=LONG_S):
            await store.renew({each.token: Progress(0.0, 1.0) for each in leases}, lease_s=LONG_S)
            await asyncio.gather(*(store.complete(lease, HELLO) for lease in leases))

    async def disturb(store: JobStore, ids: list[str]) -> None:
        for index, job_id in enumerate(ids):
            call = (store.cancel, store.delete)[index % 2]
            try:
                await call(job_id, None)
            except (JobEndedError, UnknownJobError):
                continue
            await store.take_audio_of_ended(most=3)
            await store.expire(most=3)

    async with asyncio.TaskGroup() as group:
        for store in stores:
            group.create_task(work(store))
            group.create_task(work(store))
        group.create_task(disturb(stores[0], ids[::-1]))
        group.create_task(disturb(stores[1], ids[::2]))
        group.create_task(disturb(stores[2], ids))
    page = await stores[0].page(None, limit=100)
    assert all(job.status.has_ended for job in page.jobs)
    while await stores[0].expire(most=7):
        pass
    assert sum((await stores[0].counts()).by_status.values()) == 0
    for store in stores:
        await store.close()


async def test_what_is_out_of_time_is_forgotten(store: JobStore) -> None:
    running, _ = await store.submit(new_job(1, time_to_live_s=0.0, priority=1))
    await store.lease("w", most=1, lease_s=LONG_S)
    kept, _ = await store.submit(new_job(1, time_to_live_s=LONG_S))
    await store.cancel(kept.id, None)
    ended = [(await store.submit(new_job(2, time_to_live_s=0.0)))[0] for _ in range(3)]
    for job in ended:
        await store.cancel(job.id, None)
    both = (new_file("0.wav").audio, new_file("1.wav").audio)
    assert await store.expire(most=2) == both * 2
    assert await store.expire(most=2) == both
    assert await store.expire(most=2) == ()
    assert {job.id for job in (await store.page(None)).jobs} == {running.id, kept.id}


async def test_the_audio_of_ended_jobs_is_given_out_once(store: JobStore) -> None:
    job, _ = await store.submit(new_job(2, time_to_live_s=0.0))
    first, second = await store.lease("w", most=2, lease_s=LONG_S)
    await store.complete(first, HELLO)
    assert await store.take_audio_of_ended(most=5) == ()
    await store.complete(second, HELLO)
    taken = await store.take_audio_of_ended(most=5)
    assert taken == (new_file("0.wav").audio, new_file("1.wav").audio)
    assert await store.take_audio_of_ended(most=5) == ()
    assert await store.results(job.id, None) == (HELLO, HELLO)
    assert (await store.counts()).stored_bytes == 0
    assert await store.expire(most=5) == ()  # its audio is gone already
    with pytest.raises(UnknownJobError):
        await store.find(job.id, None)


async def test_a_callback_is_tried_until_it_is_delivered(store: JobStore) -> None:
    job, _ = await store.submit(new_job(callback_url=URL))
    assert await store.deliveries("w", most=5, lease_s=LONG_S) == ()
    (lease,) = await store.lease("w", most=1, lease_s=LONG_S)
    await store.complete(lease, HELLO)
    (first,) = await store.deliveries("w", most=5, lease_s=LONG_S)
    assert first.id.startswith("msg_")
    assert (first.job_id, first.url, first.num_attempts) == (job.id, URL, 1)
    assert await store.deliveries("w", most=5, lease_s=LONG_S) == ()
    await store.not_delivered(first, "it answers \0 500", retry_in_s=0.0)
    await store.delivered(first)  # it has said already what came of it
    found = await store.find(job.id, None)
    assert found.callback_delivered_at is None
    assert found.callback_error == "it answers \N{REPLACEMENT CHARACTER} 500"
    (second,) = await store.deliveries("w", most=5, lease_s=LONG_S)
    assert (second.id, second.num_attempts) == (first.id, 2)
    await store.delivered(first)  # an older try says nothing
    assert (await store.find(job.id, None)).callback_delivered_at is None
    await store.delivered(second)
    found = await store.find(job.id, None)
    assert found.callback_delivered_at is not None
    assert found.callback_error is None
    assert await store.deliveries("w", most=5, lease_s=LONG_S) == ()


async def test_a_callback_whose_sender_died_is_taken_by_another(store: JobStore) -> None:
    job, _ = await store.submit(new_job(callback_url=URL))
    await store.cancel(job.id, None)
    (first,) = await store.deliveries("w", most=5, lease_s=0.0)
    (second,) = await store.deliveries("w", most=5, lease_s=LONG_S)
    assert (second.id, second.num_attempts) == (first.id, 2)
    await store.not_delivered(first, "late", retry_in_s=None)
    await store.not_delivered(second, "given up", retry_in_s=None)
    assert (await store.find(job.id, None)).callback_error == "given up"
    assert await store.deliveries("w", most=5, lease_s=0.0) == ()


async def test_two_senders_never_hold_the_same_callback(store: JobStore) -> None:
    for _ in range(50):
        job, _ = await store.submit(new_job(callback_url=URL))
        await store.cancel(job.id, None)
    taken = await asyncio.gather(
        *(store.deliveries(f"w{index}", most=10, lease_s=LONG_S) for index in range(8))
    )
    tokens = [delivery.id for each in taken for delivery in each]
    assert len(tokens) == len(set(tokens)) == 50
