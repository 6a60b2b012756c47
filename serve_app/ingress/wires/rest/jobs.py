"""The asynchronous half of the plain transcription server: jobs, handed in and asked for."""

import asyncio
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from serve_app.config import JobsConfig, ServerConfig
from serve_app.errors import (
    EngineError,
    InvalidOptionError,
    JobEndedError,
    JobNotFinishedError,
    UnsupportedOptionError,
)
from serve_app.ingress.admission.door import STORED_PATH
from serve_app.ingress.auth.audit import current
from serve_app.ingress.auth.door import KEY
from serve_app.ingress.forms import Form, shown
from serve_app.ingress.jobs.desk import Desk
from serve_app.ingress.jobs.uploads import Stored, UploadLimits
from serve_app.ingress.served import ServedModels
from serve_app.ingress.wires.rest import plain_form
from serve_app.ingress.wires.rest.answers import PROBLEMS, Schema, form_schema, names_of
from serve_app.jobs.callbacks import checked_callback_url
from serve_app.jobs.told import job_to_json
from serve_app.jobs.types import Job, JobFile, JobStatus, NewFile, NewJob
from serve_app.pipelines.length import expected_by_head_s
from serve_app.pipelines.transcription import TranscriptionRequest
from serve_app.transcript import render, subtitles
from serve_app.transcript.render import Json
from serve_app.transcript.types import Transcript

FIELDS: Mapping[str, Schema] = {
    **plain_form.FIELDS,
    "file": {
        "type": "array",
        "items": {"type": "string", "format": "binary"},
        "description": "The recordings: one or more.",
    },
    "callback_url": {
        "type": "string",
        "description": "Is sent the job, signed (Standard Webhooks), when it has ended.",
    },
    "priority": {
        "type": "integer",
        "default": 0,
        "description": "-100 to 100; higher goes first, among equals the oldest.",
    },
    "time_to_live_s": {
        "type": "number",
        "description": "How long results are kept once the job has ended; the server has a limit.",
    },
    "idempotency_key": {
        "type": "string",
        "description": "As the header `Idempotency-Key`: the same again is the same job.",
    },
}
_NAMES = names_of(FIELDS)
_MAX_PRIORITY = 100
_MAX_KEY_CHARACTERS = 255
_MAX_PAGE = 1000
_TEXTS: Mapping[str, tuple[Callable[[Transcript], str], str]] = {
    "text": (render.text, "text/plain"),
    "srt": (subtitles.srt, "text/plain"),
    "vtt": (subtitles.vtt, "text/vtt"),
}
_FORMATS = ("json", "verbose_json", "diarized_json", *_TEXTS)

_JOB: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The job.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
_CONFLICT = {"description": "The idempotency key came with another request before."}
_UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"description": "No such job, or no longer, or another key's."},
    503: PROBLEMS[503],
}
_ID = {"parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]}


def router(config: ServerConfig, jobs: JobsConfig, desk: Desk) -> APIRouter:
    """The routes of jobs."""
    served = ServedModels(config)
    routes = APIRouter(tags=["jobs"])

    @routes.post(
        STORED_PATH,
        summary="Hand recordings in, to be transcribed later whatever happens",
        status_code=202,
        responses={202: _JOB[200]}
        | PROBLEMS
        | {409: {"description": "The key named another job."}},
        openapi_extra=form_schema(FIELDS),
    )
    async def submit(http: Request) -> Response:
        declared = http.headers.get("content-length", "")
        num_bytes = int(declared[:20]) if declared.isdecimal() else 0
        async with desk.arriving(num_bytes) as stored:
            form = await stored.read(http, known_fields=_NAMES, limits=_limits(jobs))
            new = _new_job(http, form, stored.files, served, jobs, desk)
            job, is_new = await desk.submit(new)
            if is_new:
                stored.files.clear()  # the job's, now
                current().audio_s += sum(file.expected_s for file in new.files)
        message = "accepted" if is_new else "handed in before, with the same idempotency key"
        return JSONResponse({**job_to_json(job), "message": message}, status_code=202)

    _add_asking(routes, desk)
    _add_ending(routes, desk)
    return routes


def _add_asking(routes: APIRouter, desk: Desk) -> None:
    @routes.get("/jobs", summary="Your jobs, the newest first, a page at a time", responses=_JOB)
    async def jobs(
        http: Request, limit: int = 50, cursor: str | None = None, status: str | None = None
    ) -> Response:
        if not 1 <= limit <= _MAX_PAGE:
            raise InvalidOptionError("limit", f"is not between 1 and {_MAX_PAGE}")
        page = await desk.page(
            _owner(http), status=_status(status), limit=limit, cursor=cursor or None
        )
        told = [job_to_json(job) for job in page.jobs]
        return JSONResponse({"jobs": told, "next_cursor": page.next_cursor})

    @routes.get(
        "/jobs/{id}/status",
        summary="How far a job is",
        responses=_JOB | _UNKNOWN,
        openapi_extra=_ID,
    )
    async def status(http: Request) -> Response:
        owner = _owner(http)
        job = await desk.find(http.path_params["id"], owner)
        results: tuple[Transcript | None, ...] | None = None
        if job.status == JobStatus.COMPLETED:
            results = await desk.results(job.id, owner)
        return await asyncio.to_thread(_with_result, job, results)

    @routes.get(
        "/jobs/{id}/result",
        summary="What a job has come to",
        response_class=Response,
        responses=_JOB | _UNKNOWN | {400: PROBLEMS[400], 500: PROBLEMS[500]},
        openapi_extra=_ID,
    )
    async def result(
        http: Request, response_format: str = "json", include_timestamps: bool | None = None
    ) -> Response:
        if response_format not in _FORMATS:
            raise InvalidOptionError(
                "response_format", f"{shown(response_format)} is not one of: {', '.join(_FORMATS)}"
            )
        owner = _owner(http)
        job = await desk.find(http.path_params["id"], owner)
        _check_ended(job)
        results = await desk.results(job.id, owner)
        times = _has_times(job) if include_timestamps is None else include_timestamps
        return await asyncio.to_thread(  # of hours it takes a while
            _rendered, job, results, response_format, segments=times
        )


def _add_ending(routes: APIRouter, desk: Desk) -> None:
    @routes.post(
        "/jobs/{id}/cancel",
        summary="Stop a job",
        responses=_JOB | _UNKNOWN | {400: {"description": "It has ended already."}},
        openapi_extra=_ID,
    )
    async def cancel(http: Request) -> Response:
        job = await desk.cancel(http.path_params["id"], _owner(http))
        return JSONResponse({**job_to_json(job), "message": f"job {job.id} is cancelled"})

    @routes.delete(
        "/jobs/{id}",
        summary="Forget a job, its results and its audio; it is cancelled before, if need be",
        responses=_JOB | _UNKNOWN,
        openapi_extra=_ID,
    )
    async def delete(http: Request) -> Response:
        job_id = http.path_params["id"]
        await desk.delete(job_id, _owner(http))
        return JSONResponse({"job_id": job_id, "message": f"job {job_id} is forgotten"})


def _owner(http: Request) -> str | None:
    key = http.scope.get("state", {}).get(KEY)
    return None if key is None else str(key.name)


def _limits(jobs: JobsConfig) -> UploadLimits:
    return UploadLimits(jobs.max_upload_bytes, jobs.max_files, jobs.upload_timeout_s)


def _new_job(
    http: Request,
    form: Form,
    files: list[Stored],
    served: ServedModels,
    jobs: JobsConfig,
    desk: Desk,
) -> NewJob:
    """
    Raises:
        RequestError: a field has a value that nobody, or not this server, could honour.
    """
    request = plain_form.request_of(form, served, jobs.file_timeout_s).request
    callback_url = form.one("callback_url")
    if callback_url is not None and not desk.signs_callbacks:
        raise UnsupportedOptionError(
            "callback_url", "this server has nothing to sign callbacks with"
        )
    if callback_url is not None:
        allows = jobs.callbacks_to_private_addresses
        callback_url = checked_callback_url(callback_url, allows_private=allows)
    new = NewJob(
        files=[
            NewFile(
                each.filename,
                each.audio,
                expected_by_head_s(each.head, each.audio.num_bytes, longest_s=jobs.max_audio_s),
            )
            for each in files
        ],
        request=request,
        owner=_owner(http),
        priority=_priority(form),
        callback_url=callback_url,
        idempotency_key=_idempotency_key(http, form),
        fingerprint=_fingerprint(request, files, callback_url),
        time_to_live_s=_time_to_live_s(form, jobs.time_to_live_s),
    )
    return new


def _priority(form: Form) -> int:
    value = form.one("priority") or "0"
    try:
        priority = int(value)
    except ValueError:
        raise InvalidOptionError("priority", f"{shown(value)} is no whole number") from None
    if abs(priority) > _MAX_PRIORITY:
        raise InvalidOptionError("priority", f"is not between -{_MAX_PRIORITY} and {_MAX_PRIORITY}")
    return priority


def _time_to_live_s(form: Form, longest_s: float) -> float:
    value = form.one("time_to_live_s")
    if value is None:
        return longest_s
    try:
        time_to_live_s = float(value)
    except ValueError:
        time_to_live_s = math.nan
    if not 0 < time_to_live_s <= longest_s:
        raise InvalidOptionError(
            "time_to_live_s", f"{shown(value)} is not between 0 and {longest_s:g} seconds"
        )
    return time_to_live_s


def _idempotency_key(http: Request, form: Form) -> str | None:
    key = http.headers.get("idempotency-key", "").strip() or form.one("idempotency_key")
    if key is not None and len(key) > _MAX_KEY_CHARACTERS:
        raise InvalidOptionError(
            "idempotency_key", f"has more than {_MAX_KEY_CHARACTERS} characters"
        )
    return key


def _fingerprint(
    request: TranscriptionRequest, files: list[Stored], callback_url: str | None
) -> str:
    """The same for the same recordings and the same wish."""
    said = [repr(request), callback_url, [each.sha256 for each in files]]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _status(value: str | None) -> JobStatus | None:
    if not value:
        return None
    try:
        return JobStatus(value)
    except ValueError:
        known = ", ".join(JobStatus)
        raise InvalidOptionError("status", f"{shown(value)} is not one of: {known}") from None


def _check_ended(job: Job) -> None:
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


def _has_times(job: Job) -> bool:
    """A translation has them whatever was asked for: they cost nothing."""
    options = job.request.options
    return options.word_times or options.target_language is not None


def _with_result(job: Job, results: tuple[Transcript | None, ...] | None) -> Response:
    result = None if results is None else _plain(job, results, segments=_has_times(job))
    return JSONResponse({**job_to_json(job), "result": result})


def _rendered(
    job: Job, results: tuple[Transcript | None, ...], response_format: str, *, segments: bool
) -> Response:
    if response_format == "json":
        return JSONResponse(_plain(job, results, segments=segments))
    if response_format in _TEXTS:
        if len(job.files) > 1:
            raise UnsupportedOptionError(
                "response_format",
                f"the job has {len(job.files)} recordings; json and verbose_json hold several",
            )
        write, media_type = _TEXTS[response_format]
        (transcript,) = results
        assert transcript is not None, "its only recording is completed"
        return PlainTextResponse(write(transcript), media_type=media_type)
    return JSONResponse(_one_or_all(job, results, _writer(job, response_format)))


def _writer(job: Job, response_format: str) -> Callable[[Transcript], dict[str, Json]]:
    """
    Raises:
        UnsupportedOptionError: speakers were not asked for when the job was handed in.
    """
    if response_format == "diarized_json":
        if job.request.diarizer is None:
            raise UnsupportedOptionError(
                "response_format", "speakers are told apart where a job is handed in with `diarize`"
            )
        return render.openai_diarized_json
    task = "translate" if job.request.options.target_language else "transcribe"
    return partial(
        render.openai_verbose_json, task=task, granularities=frozenset({"segment", "word"})
    )


def _plain(job: Job, results: tuple[Transcript | None, ...], *, segments: bool) -> dict[str, Json]:
    return _one_or_all(
        job,
        results,
        partial(render.plain_json, segments=segments, speakers=job.request.diarizer is not None),
    )


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
