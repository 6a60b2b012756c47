"""What a job store does, in memory and in so many words: to compare the real one with."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from serve_app.jobs.types import Job, JobStatus, Lease
from serve_app.transcript.types import Transcript

PENDING, PROCESSING, COMPLETED, FAILED, CANCELLED = JobStatus


@dataclass
class ModelFile:
    status: JobStatus = PENDING
    num_attempts: int = 0
    token: str | None = None
    is_due: bool = False
    """Its lease has run out, or its time to be tried again has come."""
    waits: bool = True
    error_code: str | None = None
    transcript: Transcript | None = None


@dataclass
class ModelJob:
    id: str
    owner: str | None
    priority: int
    is_short_lived: bool
    files: list[ModelFile]
    has_callback: bool
    status: JobStatus = PENDING
    has_audio: bool = True
    deliveries: list[str] = field(default_factory=list)
    """Empty until it has ended; then whether its callback is due."""

    def end(self, status: JobStatus) -> None:
        self.status = status
        if self.has_callback:
            self.deliveries.append("due")

    def end_if_done(self) -> None:
        statuses = {file.status for file in self.files}
        if not self.status.has_ended and statuses.isdisjoint({PENDING, PROCESSING}):
            self.end(FAILED if FAILED in statuses else COMPLETED)


class Model:
    """All of it. Time stands still: what is due is due from the start, or never."""

    def __init__(self, max_attempts: int) -> None:
        self.jobs: list[ModelJob] = []
        self._max_attempts = max_attempts

    def lease(self, most: int) -> Iterator[tuple[str, int, int]]:
        """Job, index, and number of attempts of each; `hold` is told the tokens."""
        for job in self.jobs:
            for file in job.files:
                self._put_back(job, file)
        waiting = [
            (-job.priority, place, index)
            for place, job in enumerate(self.jobs)
            for index, file in enumerate(job.files)
            if file.waits
        ]
        for _, place, index in sorted(waiting)[:most]:
            job = self.jobs[place]
            yield job.id, index, job.files[index].num_attempts + 1

    def _put_back(self, job: ModelJob, file: ModelFile) -> None:
        if not file.is_due:
            return
        file.is_due = False
        file.token = None
        if file.status == PROCESSING and file.num_attempts >= self._max_attempts:
            file.status = FAILED
            file.error_code = "engine_failed"
            job.end_if_done()
        else:
            file.status = PENDING
            file.waits = True

    def hold(self, lease: Lease, *, runs_out: bool) -> None:
        job = self.job(lease.job_id)
        file = job.files[lease.file_index]
        file.status = PROCESSING
        file.waits = False
        file.is_due = runs_out
        file.token = lease.token
        file.num_attempts += 1
        if job.status == PENDING:
            job.status = PROCESSING

    def job(self, job_id: str) -> ModelJob:
        return next(job for job in self.jobs if job.id == job_id)

    def held(self, token: str) -> tuple[ModelJob, ModelFile] | None:
        for job in self.jobs:
            for file in job.files:
                if file.token == token:
                    return job, file
        return None

    def complete(self, token: str, transcript: Transcript) -> bool:
        found = self.held(token)
        if found is None:
            return False
        job, file = found
        file.status, file.token, file.is_due = COMPLETED, None, False
        file.transcript, file.error_code = transcript, None
        job.end_if_done()
        return True

    def fail(self, token: str, error_code: str, retry_in_s: float | None) -> bool:
        found = self.held(token)
        if found is None:
            return False
        job, file = found
        file.token = None
        file.status = FAILED if retry_in_s is None else PENDING
        file.is_due = retry_in_s == 0
        file.error_code = error_code
        job.end_if_done()
        return True

    def renew(self, tokens: list[str], *, runs_out: bool) -> set[str]:
        lost = set()
        for token in tokens:
            found = self.held(token)
            if found is None:
                lost.add(token)
            else:
                found[1].is_due = runs_out
        return lost

    def give_back(self, tokens: list[str]) -> None:
        for token in set(tokens):
            found = self.held(token)
            if found is not None:
                file = found[1]
                file.status, file.token, file.is_due, file.waits = PENDING, None, False, True
                file.num_attempts -= 1

    def cancel(self, job_id: str) -> bool:
        """Whether it had not ended."""
        job = self.job(job_id)
        if job.status.has_ended:
            return False
        for file in job.files:
            if not file.status.has_ended:
                file.status, file.token, file.is_due, file.waits = CANCELLED, None, False, False
        job.end(CANCELLED)
        return True

    def take_audio(self) -> int:
        """Of all; how many recordings."""
        taken = [job for job in self.jobs if job.status.has_ended and job.has_audio]
        for job in taken:
            job.has_audio = False
        return sum(len(job.files) for job in taken)

    def expire(self) -> int:
        """All; how many recordings are still kept of them."""
        gone = [job for job in self.jobs if job.status.has_ended and job.is_short_lived]
        self.jobs = [job for job in self.jobs if job not in gone]
        return sum(len(job.files) for job in gone if job.has_audio)

    def is_like(self, jobs: tuple[Job, ...]) -> bool:
        """`jobs` are the newest first."""
        return [_seen(job) for job in jobs] == [_shown(job) for job in reversed(self.jobs)]


def _seen(job: Job) -> object:
    files = [(file.status, file.num_attempts, file.error_code) for file in job.files]
    has_ended = job.completed_at is not None
    return job.id, job.owner, job.priority, job.status, files, has_ended


def _shown(job: ModelJob) -> object:
    files = [(file.status, file.num_attempts, file.error_code) for file in job.files]
    return job.id, job.owner, job.priority, job.status, files, job.status.has_ended
