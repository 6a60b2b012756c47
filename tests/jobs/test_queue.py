"""Workers hold files one at a time each, by priority and age, and record what became of them."""

import asyncio
import time
from collections import Counter

from serve_app.errors import EngineError, UndecodableAudioError
from serve_app.jobs.store import JobStore
from serve_app.jobs.types import JobStatus, Lease
from serve_app.pipelines.transcription import Progress
from tests.jobs.jobs_to_do import HELLO, LONG_S, REQUEST, new_file, new_job

ENGINE = EngineError("tiny", "out of luck")


async def _lease(store: JobStore, *, most: int = 1, lease_s: float = LONG_S) -> list[Lease]:
    return list(await store.lease("w", most=most, lease_s=lease_s))


async def test_files_are_taken_by_priority_then_age_then_index(store: JobStore) -> None:
    old, _ = await store.submit(new_job(2))
    urgent, _ = await store.submit(new_job(2, priority=5))
    idle, _ = await store.submit(new_job(1, priority=-5))
    new, _ = await store.submit(new_job(1))
    taken = [*await _lease(store, most=3), *await _lease(store, most=10)]
    assert [(lease.job_id, lease.file_index) for lease in taken] == [
        (urgent.id, 0),
        (urgent.id, 1),
        (old.id, 0),
        (old.id, 1),
        (new.id, 0),
        (idle.id, 0),
    ]
    assert await _lease(store) == []
    assert taken[1].audio == new_file("1.wav").audio
    assert all(lease.request == REQUEST and lease.num_attempts == 1 for lease in taken)
    assert len({lease.token for lease in taken}) == len(taken)


async def test_two_workers_never_hold_the_same_file(database_url: str) -> None:
    stores = [await JobStore.open(database_url, max_queued=1000, max_attempts=3) for _ in range(4)]
    for _ in range(40):
        await stores[0].submit(new_job(10))
    taken: Counter[tuple[str, int]] = Counter()

    async def work(name: str, store: JobStore) -> None:
        while leases := await store.lease(name, most=3, lease_s=LONG_S):
            taken.update((lease.job_id, lease.file_index) for lease in leases)
            completed = await asyncio.gather(*(store.complete(lease, HELLO) for lease in leases))
            assert all(completed)

    async with asyncio.TaskGroup() as group:
        for index in range(16):
            group.create_task(work(f"w{index}", stores[index % 4]))
    assert len(taken) == 400
    assert set(taken.values()) == {1}
    page = await stores[0].page(None, limit=100)
    assert {job.status for job in page.jobs} == {JobStatus.COMPLETED}
    for store in stores:
        await store.close()


async def test_a_lease_that_ran_out_is_taken_by_another(store: JobStore) -> None:
    job, _ = await store.submit(new_job())
    (first,) = await _lease(store, lease_s=0.0)
    (second,) = await _lease(store)
    assert (second.job_id, second.file_index, second.num_attempts) == (job.id, 0, 2)
    assert second.token != first.token
    assert await _lease(store) == []


async def test_an_older_lease_records_nothing(store: JobStore) -> None:
    job, _ = await store.submit(new_job())
    (older,) = await _lease(store, lease_s=0.0)
    (newer,) = await _lease(store)
    assert not await store.complete(older, HELLO)
    assert not await store.fail(older, ENGINE, retry_in_s=None)
    assert not await store.fail(older, ENGINE, retry_in_s=0.0)
    await store.give_back([older.token])
    progress = {older.token: Progress(1.0, 2.0), newer.token: Progress(0.5, 2.0)}
    assert await store.renew(progress, lease_s=LONG_S) == {older.token}
    found = await store.find(job.id, None)
    assert found.status == JobStatus.PROCESSING
    assert found.files[0].progress == Progress(0.5, 2.0)
    assert await store.complete(newer, HELLO)
    assert not await store.complete(newer, HELLO)
    assert await store.results(job.id, None) == (HELLO,)


async def test_a_lease_that_ran_out_holds_until_another_takes_the_file(store: JobStore) -> None:
    await store.submit(new_job())
    (lease,) = await _lease(store, lease_s=0.0)
    assert not await store.renew({lease.token: Progress(1.0, 2.0)}, lease_s=LONG_S)
    assert await _lease(store) == []
    assert await store.complete(lease, HELLO)


async def test_of_many_reports_at_once_one_is_recorded(store: JobStore) -> None:
    job, _ = await store.submit(new_job())
    (lease,) = await _lease(store)
    recorded = await asyncio.gather(
        *(store.complete(lease, HELLO) for _ in range(5)),
        *(store.fail(lease, ENGINE, retry_in_s=None) for _ in range(5)),
        *(store.fail(lease, ENGINE, retry_in_s=LONG_S) for _ in range(5)),
    )
    assert sum(recorded) == 1
    assert (await store.find(job.id, None)).files[0].num_attempts == 1


async def test_the_last_files_of_a_job_end_at_once(database_url: str) -> None:
    stores = [await JobStore.open(database_url, max_queued=1000, max_attempts=3) for _ in range(2)]
    for _ in range(20):
        job, _ = await stores[0].submit(new_job(6, callback_url="https://a.example"))
        leases = await _lease(stores[0], most=6)
        await asyncio.gather(
            *(stores[index % 2].complete(lease, HELLO) for index, lease in enumerate(leases))
        )
        assert (await stores[0].find(job.id, None)).status == JobStatus.COMPLETED
    assert len(await stores[0].deliveries("w", most=100, lease_s=LONG_S)) == 20
    for store in stores:
        await store.close()


async def test_what_failed_waits_before_it_is_tried_again(store: JobStore) -> None:
    job, _ = await store.submit(new_job())
    (lease,) = await _lease(store)
    await store.renew({lease.token: Progress(1.0, 3.0)}, lease_s=LONG_S)
    assert await store.fail(lease, ENGINE, retry_in_s=LONG_S)
    assert await _lease(store) == []
    file = (await store.find(job.id, None)).files[0]
    assert (file.status, file.error_code) == (JobStatus.PENDING, "engine_failed")
    assert file.error == str(ENGINE)
    assert file.progress == Progress(0.0, 3.0)
    assert (await store.find(job.id, None)).error is None


async def test_what_failed_is_tried_again(store: JobStore) -> None:
    job, _ = await store.submit(new_job())
    (lease,) = await _lease(store)
    assert await store.fail(lease, ENGINE, retry_in_s=0.0)
    (again,) = await _lease(store)
    assert again.num_attempts == 2
    assert await store.complete(again, HELLO)
    ended = await store.find(job.id, None)
    assert ended.status == JobStatus.COMPLETED
    assert ended.files[0].error is None


async def test_a_job_has_failed_where_one_of_its_files_has(store: JobStore) -> None:
    job, _ = await store.submit(new_job(2))
    first, second = await _lease(store, most=2)
    error = UndecodableAudioError("it is a \0 picture")
    assert await store.fail(first, error, retry_in_s=None)
    assert (await store.find(job.id, None)).status == JobStatus.PROCESSING
    assert await store.complete(second, HELLO)
    ended = await store.find(job.id, None)
    assert ended.status == JobStatus.FAILED
    assert ended.error == "the audio cannot be decoded: it is a \N{REPLACEMENT CHARACTER} picture"
    assert ended.files[0].error_code == "undecodable_audio"
    assert await store.results(job.id, None) == (None, HELLO)


async def test_a_file_that_ends_its_workers_fails_in_the_end(store: JobStore) -> None:
    job, _ = await store.submit(new_job(2))
    for attempt in (1, 2, 3):
        (lease,) = await _lease(store, lease_s=0.0)
        assert (lease.file_index, lease.num_attempts) == (0, attempt)
    (other,) = await _lease(store)
    assert other.file_index == 1
    first = (await store.find(job.id, None)).files[0]
    assert (first.status, first.error_code) == (JobStatus.FAILED, "engine_failed")
    assert first.error == "it ended its worker 3 times"
    assert await store.complete(other, HELLO)
    assert (await store.find(job.id, None)).status == JobStatus.FAILED


async def test_what_is_given_back_is_taken_at_once_and_does_not_count(store: JobStore) -> None:
    await store.submit(new_job(5))
    leases = await _lease(store, most=5)
    await store.give_back([])
    await store.give_back([lease.token for lease in leases])
    again = await _lease(store, most=5)
    assert [lease.file_index for lease in again] == [0, 1, 2, 3, 4]
    assert {lease.num_attempts for lease in again} == {1}
    tokens = {lease.token: Progress(0.0, 1.0) for lease in leases}
    assert await store.renew(tokens, lease_s=LONG_S) == set(tokens)


async def test_nothing_held_is_nothing_to_renew(store: JobStore) -> None:
    assert not await store.renew({}, lease_s=LONG_S)
    assert await store.renew({"x": Progress(0, 1)}, lease_s=LONG_S) == {"x"}


async def test_a_worker_that_is_cancelled_leaves_nothing_locked(store: JobStore) -> None:
    for _ in range(30):
        await store.submit(new_job())
    for pauses in range(60):
        call = asyncio.create_task(store.lease("w", most=1, lease_s=0.0))
        for _ in range(pauses):
            await asyncio.sleep(0)  # one turn of the loop
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    async with asyncio.timeout(20):
        await store.submit(new_job(priority=1))
        assert len(await _lease(store)) == 1


async def test_leases_of_one_large_job_at_once(store: JobStore) -> None:
    job, _ = await store.submit(new_job(100))
    leases = await asyncio.gather(*(_lease(store, most=10) for _ in range(8)))
    indices = [lease.file_index for each in leases for lease in each]
    assert sorted(indices) == list(range(80))
    assert (await store.find(job.id, None)).status == JobStatus.PROCESSING


async def test_the_age_of_the_oldest_that_waits_is_known(store: JobStore) -> None:
    assert await store.oldest_waiting_s() == 0.0
    old, _ = await store.submit(new_job(2))
    await store.submit(new_job(1, priority=5))
    created_at = (await store.find(old.id, None)).created_at.timestamp()
    before = time.time() - created_at
    age_s = await store.oldest_waiting_s()
    assert before - 1.0 <= age_s <= time.time() - created_at + 1.0
    await _lease(store, most=3)
    assert await store.oldest_waiting_s() == 0.0
