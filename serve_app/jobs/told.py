"""A job, in; what its owner is told of it, as JSON, out: the same to pollers and in callbacks."""

from datetime import datetime
from typing import TypeAlias

from serve_app.jobs.types import Job, JobFile, JobStatus
from serve_app.pipelines.transcription import Progress

Json: TypeAlias = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


def job_to_json(job: Job) -> dict[str, Json]:
    """`filename` is that of its first recording; `files` has all of them."""
    return {
        "job_id": job.id,
        "status": job.status.value,
        "filename": job.files[0].filename,
        "model": job.request.model,
        "priority": job.priority,
        "created_at": _time(job.created_at),
        "started_at": _time(job.started_at),
        "completed_at": _time(job.completed_at),
        "expires_at": _time(job.expires_at),
        "progress": _part(job.progress, job.status),
        "processed_s": round(job.progress.done_s, 3),
        "duration_s": round(job.progress.total_s, 3),
        "error": job.error,
        "callback_url": job.callback_url,
        "callback_delivered_at": _time(job.callback_delivered_at),
        "callback_error": job.callback_error,
        "files": [_file_to_json(each) for each in job.files],
    }


def _file_to_json(file: JobFile) -> Json:
    return {
        "filename": file.filename,
        "status": file.status.value,
        "progress": _part(file.progress, file.status),
        "processed_s": round(file.progress.done_s, 3),
        "duration_s": round(file.progress.total_s, 3),
        "num_attempts": file.num_attempts,
        "error_code": file.error_code,
        "error": file.error,
    }


def _part(progress: Progress, status: JobStatus) -> float:
    """Seconds done of seconds in all; 1 only of what is completed."""
    if status == JobStatus.COMPLETED:
        return 1.0
    if progress.total_s <= 0:
        return 0.0
    return min(round(progress.done_s / progress.total_s, 4), 0.9999)


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
