"""A job that has ended and its transcripts, in; the body that its owner gets, out.

Of hours that takes up to seconds: whoever serves others meanwhile calls it in a thread.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from serve_app.errors import EngineError, JobEndedError, JobNotFinishedError, UnsupportedOptionError
from serve_app.jobs.types import Job, JobFile, JobStatus
from serve_app.transcript import render, subtitles
from serve_app.transcript.render import Json
from serve_app.transcript.types import Transcript

_TEXTS: Mapping[str, tuple[Callable[[Transcript], str], str]] = {
    "text": (render.text, "text/plain"),
    "srt": (subtitles.srt, "text/plain"),
    "vtt": (subtitles.vtt, "text/vtt"),
}
FORMATS = ("json", "verbose_json", "diarized_json", *_TEXTS)


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent."""

    content: str
    media_type: str


def check_ended(job: Job) -> None:
    """
    Raises:
        JobNotFinishedError: it is under way.
        JobEndedError: it was cancelled.
        EngineError: all of it has failed.
    """
    if not job.status.has_ended:
        raise JobNotFinishedError(job.id, job.status)
    if job.status == JobStatus.CANCELLED:
        raise JobEndedError(job.id, job.status)
    if all(each.status == JobStatus.FAILED for each in job.files):
        raise EngineError(job.request.model, job.error or "it failed")


def check_format(job: Job, response_format: str) -> None:
    """
    Raises:
        UnsupportedOptionError: the job has more recordings than the format can hold, or was not
            asked for what it tells.
    """
    if response_format in _TEXTS and len(job.files) > 1:
        raise UnsupportedOptionError(
            "response_format",
            f"the job has {len(job.files)} recordings; formats of JSON hold several",
        )
    if response_format == "diarized_json" and job.request.diarizer is None:
        raise UnsupportedOptionError(
            "response_format", "speakers were not told apart: the job came without `diarize`"
        )


def body_of(
    job: Job,
    results: tuple[Transcript | None, ...],
    response_format: str,
    *,
    segments: bool,
    simulated: bool,
) -> Body:
    """In a format that the job can have: see `check_format`. `segments` is for `json` alone."""
    if response_format in _TEXTS:
        write, media_type = _TEXTS[response_format]
        (transcript,) = results
        assert transcript is not None, "its only recording is completed"
        return Body(write(transcript), media_type)
    written = _one_or_all(job, results, _writer(job, response_format, segments=segments))
    return Body(json_text({**written, **_simulated(simulated)}), "application/json")


def plain(
    job: Job, results: tuple[Transcript | None, ...], *, segments: bool, simulated: bool
) -> dict[str, Json]:
    """As `/transcribe` answers."""
    written = _one_or_all(job, results, _writer(job, "json", segments=segments))
    return {**written, **_simulated(simulated)}


def json_text(body: Mapping[str, object]) -> str:
    """As Starlette writes it."""
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def has_times(job: Job) -> bool:
    """A translation has them whatever was asked for: they cost nothing."""
    options = job.request.options
    return options.word_times or options.target_language is not None


def _simulated(simulated: bool) -> dict[str, Json]:
    return {"simulated": True} if simulated else {}


def _writer(
    job: Job, response_format: str, *, segments: bool
) -> Callable[[Transcript], dict[str, Json]]:
    task = "translate" if job.request.options.target_language else "transcribe"

    def write(transcript: Transcript) -> dict[str, Json]:
        match response_format:
            case "verbose_json":
                both = frozenset({"segment", "word"})
                return render.openai_verbose_json(transcript, task=task, granularities=both)
            case "diarized_json":
                return render.openai_diarized_json(transcript, task=task)
        speakers = job.request.diarizer is not None
        return render.plain_json(transcript, segments=segments, speakers=speakers)

    return write


def _one_or_all(
    job: Job,
    results: tuple[Transcript | None, ...],
    write: Callable[[Transcript], dict[str, Json]],
) -> dict[str, Json]:
    """The answer of one recording, as `/transcribe` gives it, or those of all in a list."""
    timestamp = (job.completed_at or datetime.now(UTC)).isoformat()
    answers = [
        {**_answer(file, result, write), "timestamp": timestamp}
        for file, result in zip(job.files, results, strict=True)
    ]
    return answers[0] if len(answers) == 1 else {"job_id": job.id, "results": list(answers)}


def _answer(
    file: JobFile, result: Transcript | None, write: Callable[[Transcript], dict[str, Json]]
) -> dict[str, Json]:
    told: dict[str, Json] = {"filename": file.filename, "status": file.status.value}
    if result is None:
        return {**told, "error": file.error}
    return {**told, **write(result)}
