"""A server and a recording in, what it hears out: of the whole as a job, and of each part alone."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.bench.load import BenchError
from loadtest.hours.recording import PAD_S, Recording
from serve_app.client import Client
from serve_app.client.errors import ClientError

_POLL_S = 0.25
_CONCURRENCY = 8


@dataclass(frozen=True, slots=True)
class HeardWord:
    """On the recording's clock, whichever way it was heard."""

    text: str
    start_s: float
    end_s: float

    @property
    def middle_s(self) -> float:
        return (self.start_s + self.end_s) / 2


@dataclass(frozen=True, slots=True)
class Whole:
    """What came of the recording as one job."""

    words: tuple[HeardWord, ...]
    upload_s: float
    job_s: float
    """From the end of the upload until the job had its result."""


def hear_whole(
    client: Client, path: Path, *, model: str, told: Callable[[float], object] = lambda _: None
) -> Whole:
    """Hand it in and wait; `told` hears how many seconds of it are done.

    Raises:
        BenchError: the job failed, or the server did.
    """
    began_at = time.monotonic()
    try:
        job = client.jobs.submit([path], model=model)
        handed_in_at = time.monotonic()
        while not job.has_ended:
            time.sleep(_POLL_S)
            job = client.jobs.get(job.id)
            told(job.processed_s)
        ended_at = time.monotonic()
        if job.status != "completed":
            raise BenchError(f"the job is {job.status}: {job.error}")
        result = json.loads(client.jobs.result(job.id, "verbose_json"))
        client.jobs.delete(job.id)
    except ClientError as error:
        raise BenchError(str(error)) from error
    words = tuple(_words(result, 0.0))
    return Whole(words, handed_in_at - began_at, ended_at - handed_in_at)


def hear_parts(
    client: Client,
    recording: Recording,
    *,
    model: str,
    pad_s: float = PAD_S,
    told: Callable[[], object] = lambda: None,
) -> list[tuple[HeardWord, ...]]:
    """The words of each utterance of the recording as a request of its own, with `pad_s` of
    silence before and behind.

    Raises:
        BenchError: one of them was refused.
    """
    # Read by one thread: a file has one place that it is read at.
    uploads = [recording.alone(spoken, pad_s) for spoken in recording.utterances]

    def hear(index: int) -> tuple[HeardWord, ...]:
        answer = client.transcribe(
            uploads[index],
            model=model,
            response_format="verbose_json",
            timestamp_granularities=["word"],
        )
        told()
        starts_at_s = recording.utterances[index].start_s - pad_s
        return tuple(_words(answer.fields, starts_at_s))

    try:
        with ThreadPoolExecutor(_CONCURRENCY) as pool:
            return list(pool.map(hear, range(len(uploads))))
    except ClientError as error:
        raise BenchError(str(error)) from error


def texts(words: Sequence[HeardWord]) -> list[str]:
    return [word.text for word in words]


def _words(answer: Any, from_s: float) -> Iterator[HeardWord]:
    for word in answer["words"] or ():
        yield HeardWord(str(word["word"]), from_s + word["start"], from_s + word["end"])
