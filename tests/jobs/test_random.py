"""Whatever is done in whatever order: the store does what its model in memory does."""

import random
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from serve_app.errors import EngineError, JobEndedError, UnknownJobError
from serve_app.jobs.store import JobStore
from serve_app.jobs.types import Job, JobStatus, Lease
from serve_app.pipelines.transcription import Progress
from tests.jobs.jobs_to_do import LONG_S, new_job
from tests.jobs.model import Model, ModelFile, ModelJob
from tests.jobs.transcripts import random_transcript

NUM_STEPS = 400
OWNERS = (None, "alice", "bob")
ERROR = EngineError("tiny", "out of luck")
ALL = 10_000


class Player:
    """Does the same to both, and compares what they answer."""

    def __init__(self, store: JobStore, seed: int) -> None:
        self.store = store
        self.model = Model(max_attempts=3)
        self.random = random.Random(seed)
        self.leases: list[Lease] = []
        """All that ever were."""
        self.ids: list[str] = ["job_unknown"]

    async def submit(self) -> None:
        ttl_s = self.random.choice([0.0, LONG_S])
        url = self.random.choice([None, "https://a.example"])
        owner, priority = self.random.choice(OWNERS), self.random.randint(-1, 1)
        num_files = self.random.choice([1, 1, 2, 5])
        new = new_job(
            num_files, owner=owner, priority=priority, time_to_live_s=ttl_s, callback_url=url
        )
        job, _ = await self.store.submit(new)
        self.ids.append(job.id)
        files = [ModelFile() for _ in range(num_files)]
        self.model.jobs.append(
            ModelJob(job.id, owner, priority, ttl_s == 0, files, url is not None)
        )

    async def lease(self) -> None:
        most, lease_s = self.random.randint(1, 4), self.random.choice([0.0, LONG_S])
        taken = await self.store.lease("w", most=most, lease_s=lease_s)
        found = [(each.job_id, each.file_index, each.num_attempts) for each in taken]
        assert found == list(self.model.lease(most))
        for each in taken:
            self.model.hold(each, runs_out=lease_s == 0)
        self.leases += taken

    def some_leases(self) -> list[Lease]:
        recent = self.leases[-12:]
        return self.random.sample(recent, min(len(recent), self.random.randint(1, 4)))

    async def complete(self) -> None:
        for lease in self.some_leases():
            transcript = random_transcript(self.random)
            expected = self.model.complete(lease.token, transcript)
            assert await self.store.complete(lease, transcript) == expected

    async def fail(self) -> None:
        for lease in self.some_leases():
            retry_in_s = self.random.choice([None, 0.0, LONG_S])
            expected = self.model.fail(lease.token, ERROR.code, retry_in_s)
            assert await self.store.fail(lease, ERROR, retry_in_s=retry_in_s) == expected

    async def renew(self) -> None:
        tokens = [lease.token for lease in self.some_leases()]
        lease_s = self.random.choice([0.0, LONG_S])
        progress = {token: Progress(1.0, 2.0) for token in tokens}
        lost = await self.store.renew(progress, lease_s=lease_s)
        assert set(lost) == self.model.renew(tokens, runs_out=lease_s == 0)

    async def give_back(self) -> None:
        tokens = [lease.token for lease in self.some_leases()]
        await self.store.give_back(tokens)
        self.model.give_back(tokens)

    def is_known(self, job_id: str) -> bool:
        return any(job.id == job_id for job in self.model.jobs)

    async def cancel(self) -> None:
        job_id = self.random.choice(self.ids[-8:])
        if not self.is_known(job_id):
            with pytest.raises(UnknownJobError):
                await self.store.cancel(job_id, None)
        elif self.model.cancel(job_id):
            assert (await self.store.cancel(job_id, None)).status == JobStatus.CANCELLED
        else:
            with pytest.raises(JobEndedError):
                await self.store.cancel(job_id, None)

    async def delete(self) -> None:
        job_id = self.random.choice(self.ids)
        if not self.is_known(job_id):
            with pytest.raises(UnknownJobError):
                await self.store.delete(job_id, None)
            return
        job = self.model.job(job_id)
        self.model.jobs.remove(job)
        audio = await self.store.delete(job_id, None)
        assert len(audio) == (len(job.files) if job.has_audio else 0)

    async def forget(self) -> None:
        if self.random.random() < 0.5:
            taken = await self.store.take_audio_of_ended(most=ALL)
            assert len(taken) == self.model.take_audio()
        if self.random.random() < 0.3:
            assert len(await self.store.expire(most=ALL)) == self.model.expire()

    async def deliver(self) -> None:
        due = [job for job in self.model.jobs if job.deliveries == ["due"]]
        taken = await self.store.deliveries("w", most=ALL, lease_s=LONG_S)
        assert {delivery.job_id for delivery in taken} == {job.id for job in due}
        for job in due:
            job.deliveries = ["done"]
        for delivery in taken:
            await self.store.delivered(delivery)

    async def compare(self) -> None:
        jobs = tuple([job async for job in self._all(None)])
        assert self.model.is_like(jobs)
        counts = await self.store.counts()
        found = {status: number for status, number in counts.by_status.items() if number}
        assert found == Counter(file.status for job in self.model.jobs for file in job.files)
        kept = [job for job in self.model.jobs if job.has_audio]
        assert counts.stored_bytes == 100 * sum(len(job.files) for job in kept)

    async def compare_each(self) -> None:
        """What is slower to ask for."""
        for job in self.model.jobs:
            expected = tuple(file.transcript for file in job.files)
            assert await self.store.results(job.id, job.owner) == expected
        for owner in OWNERS[1:]:
            found = [job.id async for job in self._all(owner)]
            assert found == [job.id for job in self.model.jobs[::-1] if job.owner == owner]
        for status in JobStatus:
            page = await self.store.page(None, status=status, limit=ALL)
            expected_ids = [job.id for job in self.model.jobs[::-1] if job.status == status]
            assert [job.id for job in page.jobs] == expected_ids

    async def _all(self, owner: str | None) -> AsyncIterator[Job]:
        cursor = None
        while True:
            page = await self.store.page(owner, limit=17, cursor=cursor)
            for job in page.jobs:
                yield job
            cursor = page.next_cursor
            if cursor is None:
                return


@pytest.mark.parametrize("seed", range(4))
async def test_any_sequence_of_calls_does_as_its_model(store: JobStore, seed: int) -> None:
    player = Player(store, seed)
    weights = {
        player.submit: 6,
        player.lease: 8,
        player.complete: 4,
        player.fail: 4,
        player.renew: 3,
        player.give_back: 2,
        player.cancel: 2,
        player.delete: 1,
        player.forget: 1,
        player.deliver: 1,
    }
    for step in range(NUM_STEPS):
        (call,) = player.random.choices(list(weights), list(weights.values()))
        await call()
        if step % 5 == 0:
            await player.compare()
        if step % 100 == 99:
            await player.compare_each()
