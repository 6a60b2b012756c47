"""The types of jobs, as they lie in the database and as everybody else sees them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from serve_app.pipelines.transcription import Progress, StoredAudio, TranscriptionRequest


class JobStatus(StrEnum):
    """Of a job, and of each of its files. The last three are ends: nothing leaves them."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def has_ended(self) -> bool:
        return self in {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}


@dataclass(frozen=True, slots=True)
class NewFile:
    """One recording of a job that is handed in; its bytes are in the audio store already."""

    filename: str
    """As the client named it, made harmless."""
    audio: StoredAudio
    expected_s: float
    """Its length by its header."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that is handed in."""

    files: Sequence[NewFile]
    request: TranscriptionRequest
    """What is asked for each of them."""
    owner: str | None = None
    """Name of the API key that it came with; nobody else sees it. None: keys are not asked for."""
    priority: int = 0
    """Higher goes first; among equals the oldest."""
    callback_url: str | None = None
    idempotency_key: str | None = None
    """The same again from the same owner is the same job."""
    fingerprint: str = ""
    """Of what was asked and handed in: the same key with another one is a mistake."""
    time_to_live_s: float = 86_400.0
    """From its end on; then job, results and audio are gone."""


@dataclass(frozen=True, slots=True)
class JobFile:
    """One recording of a job, as its owner sees it."""

    filename: str
    status: JobStatus
    progress: Progress
    num_attempts: int = 0
    error_code: str | None = None
    """Of the last attempt that failed: an `ErrorCode`."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job, as its owner sees it. All times are UTC."""

    id: str
    status: JobStatus
    """`processing` from when the first file is begun; ended when all files have. `failed` when
    any of them has."""
    created_at: datetime
    request: TranscriptionRequest
    files: tuple[JobFile, ...]
    owner: str | None = None
    priority: int = 0
    started_at: datetime | None = None
    completed_at: datetime | None = None
    expires_at: datetime | None = None
    """None until it has ended."""
    callback_url: str | None = None
    callback_delivered_at: datetime | None = None
    callback_error: str | None = None
    """Of the last try to deliver it, until one succeeds."""

    @property
    def error(self) -> str | None:
        """What is wrong with the first file that failed."""
        return next((each.error for each in self.files if each.status == JobStatus.FAILED), None)

    @property
    def progress(self) -> Progress:
        """Of all files together."""
        return Progress(
            sum(each.progress.done_s for each in self.files),
            sum(each.progress.total_s for each in self.files),
        )


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs of one owner, the newest first."""

    jobs: tuple[Job, ...]
    next_cursor: str | None
    """What asks for the next page; None on the last."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One file of a job that a worker holds, until it runs out, or is renewed before."""

    job_id: str
    file_index: int
    token: str
    """Of this lease alone: whoever holds an older one records nothing any more."""
    audio: StoredAudio
    expected_s: float
    """Its length, as far as it is known."""
    request: TranscriptionRequest
    num_attempts: int
    """This one included."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A callback that is due."""

    id: str
    """The same in every try, so that its receiver can tell a second one."""
    job_id: str
    url: str
    token: str
    num_attempts: int
    """This one included."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many files are in each state, and how much is stored."""

    by_status: dict[JobStatus, int] = field(default_factory=dict)
    stored_bytes: int = 0
