"""A job that is not there, or not in the state that was taken for granted."""

from dataclasses import dataclass

from serve_app.errors.capacity import CapacityError
from serve_app.errors.root import ErrorCode, SpeechError


class JobError(SpeechError):
    """A job that is not there, or not in the state that was taken for granted."""


@dataclass(eq=False)
class UnknownJobError(JobError):
    code = ErrorCode.JOB_NOT_FOUND

    job_id: str

    def __str__(self) -> str:
        return f"there is no job {self.job_id!r}, or no longer"


@dataclass(eq=False)
class JobNotFinishedError(JobError):
    code = ErrorCode.JOB_NOT_FINISHED

    job_id: str
    status: str

    def __str__(self) -> str:
        return f"job {self.job_id} is not finished: it is {self.status}"


@dataclass(eq=False)
class JobEndedError(JobError):
    code = ErrorCode.JOB_ENDED

    job_id: str
    status: str

    def __str__(self) -> str:
        return f"job {self.job_id} has ended already: it is {self.status}"


@dataclass(eq=False)
class JobsUnavailableError(CapacityError):
    code = ErrorCode.JOBS_UNAVAILABLE

    retry_after_s: float

    def __str__(self) -> str:
        return f"the store of jobs cannot be reached; try again in {self.retry_after_s:g} s"


@dataclass(eq=False)
class IdempotencyConflictError(JobError):
    code = ErrorCode.IDEMPOTENCY_CONFLICT

    key: str

    def __str__(self) -> str:
        return f"the idempotency key {self.key!r} came with another request before"
