"""Jobs to hand in, and what becomes of them."""

from collections.abc import Sequence
from typing import Any

from serve_app.jobs.types import NewFile, NewJob
from serve_app.models.protocols import RecognitionOptions
from serve_app.pipelines.transcription import StoredAudio, TranscriptionRequest
from serve_app.transcript.types import Segment, Transcript

REQUEST = TranscriptionRequest("tiny", RecognitionOptions(language="en"))
HELLO = Transcript((Segment("Hello.", 0.0, 1.5),), 2.0, "tiny", language="en")
LONG_S = 3600.0
"""A lease that does not run out while a test runs."""


def new_file(name: str = "a.wav", num_bytes: int = 100) -> NewFile:
    return NewFile(name, StoredAudio(f"file:///audio/{name}", num_bytes), 2.0)


def new_job(num_files: int = 1, **options: Any) -> NewJob:
    return NewJob([new_file(f"{index}.wav") for index in range(num_files)], REQUEST, **options)


def new_jobs(num_jobs: int) -> Sequence[NewJob]:
    return [new_job() for _ in range(num_jobs)]
