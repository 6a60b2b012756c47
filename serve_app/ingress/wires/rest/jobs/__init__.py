"""The asynchronous half of the plain transcription server: jobs, handed in and asked for."""

import asyncio
from collections.abc import Collection
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from serve_app.config import JobsConfig, ServerConfig
from serve_app.errors import InvalidOptionError
from serve_app.ingress.admission.door import STORED_PATH
from serve_app.ingress.auth.audit import current
from serve_app.ingress.forms import Form, shown
from serve_app.ingress.jobs import results
from serve_app.ingress.jobs.desk import Desk
from serve_app.ingress.jobs.uploads import UploadLimits
from serve_app.ingress.served import ServedModels
from serve_app.ingress.wires.rest.answers import (
    PROBLEMS,
    SIMULATED_HEADER,
    Schema,
    form_schema,
)
from serve_app.ingress.wires.rest.jobs.form import FIELDS, NAMES, new_job, owner_of
from serve_app.jobs.told import job_to_json
from serve_app.jobs.types import Job, JobPage, JobStatus
from serve_app.transcript.types import Transcript

_MAX_PAGE = 200
_JOB: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The job.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
_PAGE: dict[int | str, dict[str, Any]] = {
    200: {**_JOB[200], "description": "Some jobs; `next_cursor` asks for the next ones."}
}
_TEXT = {"schema": {"type": "string"}}
_RESULT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The transcript, in the format asked for; several in JSON.",
        "content": {**_JOB[200]["content"], "text/plain": _TEXT, "text/vtt": _TEXT},
    }
}
_CONFLICT = {"description": "The idempotency key came with another request before."}
_UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"description": "No such job, or no longer, or another key's."},
    503: PROBLEMS[503],
}
_ID = {"parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]}


def _parameter(name: str, schema: Schema) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}


_PAGE_QUERY = [
    _parameter("limit", {"type": "integer", "minimum": 1, "maximum": _MAX_PAGE, "default": 50}),
    _parameter("cursor", {"type": "string", "description": "`next_cursor` of the page before."}),
    _parameter("status", {"type": "string", "enum": [each.value for each in JobStatus]}),
]
_RESULT_QUERY = [
    _parameter(
        "response_format", {"type": "string", "enum": list(results.FORMATS), "default": "json"}
    ),
    _parameter("include_timestamps", {"type": "boolean"}),
]
"""FastAPI would say of parameters of its own that they may be refused with 422; here it is 400."""


def router(config: ServerConfig, jobs: JobsConfig, desk: Desk, served: ServedModels) -> APIRouter:
    """The routes of jobs."""
    routes = APIRouter(tags=["jobs"])

    @routes.post(
        STORED_PATH,
        summary="Hand recordings in, to be transcribed later whatever happens",
        status_code=202,
        responses={202: _JOB[200]} | PROBLEMS | {409: _CONFLICT},
        openapi_extra=form_schema(FIELDS),
    )
    async def submit(http: Request) -> Response:
        declared = http.headers.get("content-length", "")
        num_bytes = int(declared[:20]) if declared.isdecimal() else 0
        async with desk.arriving(num_bytes) as stored:
            form = await stored.read(http, known_fields=NAMES, limits=_limits(jobs))
            new = new_job(http, form, stored.files, served, jobs, desk)
            with stored.handing_over():
                job, is_new = await desk.submit(new)
            if is_new:
                stored.files.clear()  # the job's, now
                current().audio_s += sum(file.expected_s for file in new.files)
        message = "accepted" if is_new else "handed in before, with the same idempotency key"
        return JSONResponse({**job_to_json(job), "message": message}, status_code=202)

    simulated = frozenset(model.name for model in config.models if model.kind == "simulated")
    _add_asking(routes, desk, simulated)
    _add_ending(routes, desk)
    return routes


def _add_asking(routes: APIRouter, desk: Desk, simulated: Collection[str]) -> None:
    """`simulated` are the models whose words are made up."""

    @routes.get(
        "/jobs",
        summary="Your jobs, the newest first, a page at a time",
        responses=_PAGE | {400: PROBLEMS[400], 503: PROBLEMS[503]},
        openapi_extra={"parameters": _PAGE_QUERY},
    )
    async def jobs(http: Request) -> Response:
        query = _query(http)
        page = await desk.page(
            owner_of(http),
            status=_status(query.one("status")),
            limit=_limit(query),
            cursor=query.one("cursor"),
        )
        return _json(await asyncio.to_thread(_page_text, page))

    @routes.get(
        "/jobs/{id}/status",
        summary="How far a job is",
        responses=_JOB | _UNKNOWN,
        openapi_extra=_ID,
    )
    async def status(http: Request) -> Response:
        owner = owner_of(http)
        job = await desk.find(http.path_params["id"], owner)
        if job.status != JobStatus.COMPLETED:
            return JSONResponse({**job_to_json(job), "result": None})
        found = await desk.results(job.id, owner)
        is_simulated = job.request.model in simulated
        return _json(await asyncio.to_thread(_status_text, job, found, is_simulated), is_simulated)

    @routes.get(
        "/jobs/{id}/result",
        summary="What a job has come to",
        response_class=Response,
        responses=_RESULT | _UNKNOWN | {400: PROBLEMS[400], 500: PROBLEMS[500]},
        openapi_extra={"parameters": [*_ID["parameters"], *_RESULT_QUERY]},
    )
    async def result(http: Request) -> Response:
        query = _query(http)
        response_format = query.choice("response_format", results.FORMATS, "json")
        owner = owner_of(http)
        job = await desk.find(http.path_params["id"], owner)
        results.check_ended(job)
        results.check_format(job, response_format)
        is_simulated = job.request.model in simulated
        body = await asyncio.to_thread(
            results.body_of,
            job,
            await desk.results(job.id, owner),
            response_format,
            segments=query.flag("include_timestamps", default=results.has_times(job)),
            simulated=is_simulated,
        )
        return Response(body.content, media_type=body.media_type, headers=_headers(is_simulated))


def _add_ending(routes: APIRouter, desk: Desk) -> None:
    @routes.post(
        "/jobs/{id}/cancel",
        summary="Stop a job",
        responses=_JOB | _UNKNOWN | {400: {"description": "It has ended already."}},
        openapi_extra=_ID,
    )
    async def cancel(http: Request) -> Response:
        job = await desk.cancel(http.path_params["id"], owner_of(http))
        return JSONResponse({**job_to_json(job), "message": f"job {job.id} is cancelled"})

    @routes.delete(
        "/jobs/{id}",
        summary="Forget a job, its results and its audio; it is cancelled before, if need be",
        responses=_JOB | _UNKNOWN,
        openapi_extra=_ID,
    )
    async def delete(http: Request) -> Response:
        job_id = http.path_params["id"]
        await desk.delete(job_id, owner_of(http))
        return JSONResponse({"job_id": job_id, "message": f"job {job_id} is forgotten"})


def _page_text(page: JobPage) -> str:
    told = [job_to_json(job) for job in page.jobs]
    return results.json_text({"jobs": told, "next_cursor": page.next_cursor})


def _status_text(job: Job, found: tuple[Transcript | None, ...], simulated: bool) -> str:
    times = results.has_times(job)
    result = results.plain(job, found, segments=times, simulated=simulated)
    return results.json_text({**job_to_json(job), "result": result})


def _json(text: str, simulated: bool = False) -> Response:
    return Response(text, media_type="application/json", headers=_headers(simulated))


def _headers(simulated: bool) -> dict[str, str]:
    return {SIMULATED_HEADER: "true"} if simulated else {}


def _query(http: Request) -> Form:
    """What stands behind the `?`, read as a form's fields are."""
    query = http.query_params
    return Form(b"", "", {name: tuple(query.getlist(name)) for name in query})


def _limit(query: Form) -> int:
    value = query.one("limit") or "50"
    limit = int(value) if value.isascii() and value.isdecimal() and len(value) <= 9 else 0
    if not 1 <= limit <= _MAX_PAGE:
        raise InvalidOptionError("limit", f"{shown(value)} is not between 1 and {_MAX_PAGE}")
    return limit


def _limits(jobs: JobsConfig) -> UploadLimits:
    return UploadLimits(jobs.max_upload_bytes, jobs.max_files, jobs.upload_timeout_s)


def _status(value: str | None) -> JobStatus | None:
    if not value:
        return None
    try:
        return JobStatus(value)
    except ValueError:
        known = ", ".join(JobStatus)
        raise InvalidOptionError("status", f"{shown(value)} is not one of: {known}") from None
