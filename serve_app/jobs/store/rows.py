"""Values, in; what stands in a row, out; and back.

Requests and transcripts are kept as JSON. What a later version has added to them is skipped, and
what an earlier one lacked has its default: so either can read the other's jobs.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from pydantic import TypeAdapter
from sqlalchemy import Row

from serve_app.jobs.types import Delivery, Job, JobFile, JobStatus, Lease
from serve_app.pipelines.transcription import Progress, StoredAudio, TranscriptionRequest
from serve_app.transcript.types import Transcript

AnyRow: TypeAlias = Row[*tuple[Any, ...]]
"""Of whatever columns."""

_REQUEST = TypeAdapter(TranscriptionRequest)
_TRANSCRIPT = TypeAdapter(Transcript)


def request_to_json(request: TranscriptionRequest) -> str:
    return json.dumps(_REQUEST.dump_python(request))


def request_from_json(text: str) -> TranscriptionRequest:
    return _REQUEST.validate_python(json.loads(text))


def transcript_to_json(transcript: Transcript) -> str:
    """Of hours it takes a while: call it in a thread."""
    return json.dumps(_TRANSCRIPT.dump_python(transcript))


def transcript_from_json(text: str) -> Transcript:
    """Of hours it takes a while: call it in a thread."""
    return _TRANSCRIPT.validate_python(json.loads(text))  # unlike pydantic's own, takes −Infinity


def storable(text: str) -> str:
    """PostgreSQL takes neither NUL nor halves of characters."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def moment(at_s: float | None) -> datetime | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC)


def file_of(row: AnyRow) -> JobFile:
    return JobFile(
        filename=row.filename,
        status=JobStatus(row.status),
        progress=Progress(row.done_s, row.total_s),
        num_attempts=row.num_attempts,
        error_code=row.error_code,
        error=row.error,
    )


def job_of(row: AnyRow, files: Iterable[AnyRow]) -> Job:
    """Of a row of `jobs` with the `delivered_at` and `error` of its delivery."""
    return Job(
        id=row.id,
        status=JobStatus(row.status),
        created_at=datetime.fromtimestamp(row.created_at, UTC),
        request=request_from_json(row.request),
        files=tuple(file_of(each) for each in files),
        owner=row.owner or None,
        priority=row.priority,
        started_at=moment(row.started_at),
        completed_at=moment(row.completed_at),
        expires_at=moment(row.expires_at),
        callback_url=row.callback_url,
        callback_delivered_at=moment(row.delivered_at),
        callback_error=row.error,
    )


def audio_of(files: Iterable[AnyRow]) -> tuple[StoredAudio, ...]:
    """What of it is still kept."""
    kept = (each for each in files if each.audio_bytes is not None)
    return tuple(StoredAudio(each.audio_url, each.audio_bytes) for each in kept)


def lease_of(
    file: AnyRow, job: AnyRow, token: str, requests: Mapping[str, TranscriptionRequest]
) -> Lease:
    """Of a file as it was before it was taken; `requests` by their JSON."""
    return Lease(
        job_id=job.id,
        file_index=file.file_index,
        token=token,
        audio=StoredAudio(file.audio_url, file.audio_bytes),
        expected_s=file.total_s,
        request=requests[job.request],
        num_attempts=file.num_attempts + 1,
    )


def delivery_of(row: AnyRow, token: str) -> Delivery:
    """Of a row as it was before it was taken."""
    return Delivery(
        id=row.id,
        job_id=row.job_id,
        url=row.callback_url,
        token=token,
        num_attempts=row.num_attempts + 1,
    )
