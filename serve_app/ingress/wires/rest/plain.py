"""The plain transcription server: `/transcribe`, and what an operator asks: `/health` and such."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import serve_app
from serve_app.config import ServerConfig
from serve_app.errors import ModelUnavailableError
from serve_app.ingress.backend import Backend
from serve_app.ingress.backend.status import is_ready, metrics_text, models_by_name
from serve_app.ingress.forms import read_form
from serve_app.ingress.served import ServedModels
from serve_app.ingress.web import site
from serve_app.ingress.wires.rest.answers import (
    PROBLEMS,
    headers_of,
    limited,
    names_of,
    recording_schema,
    simulated_of,
    transcribe,
)
from serve_app.ingress.wires.rest.plain_form import FIELDS, request_of
from serve_app.transcript import render

_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def router(config: ServerConfig, backend: Backend) -> APIRouter:
    """The routes at the root."""
    served = ServedModels(config)
    routes = APIRouter(tags=["plain"])

    @routes.get(
        "/",
        summary="What this is and where to go; for browsers, a page to speak to",
        responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
    )
    async def root(http: Request) -> Response:
        if site.prefers_html(http.headers.get("accept", "")):
            return site.page(http)
        return JSONResponse(_about(served, config), headers={"Vary": "Accept"})

    @routes.post(
        "/transcribe",
        summary="Transcribe or translate a recording",
        responses=_ANSWER | PROBLEMS,
        openapi_extra=recording_schema(FIELDS),
    )
    async def transcribe_file(http: Request) -> Response:
        form = await read_form(http, known_fields=names_of(FIELDS), **limited(config.limits))
        wanted = request_of(form, served, config.limits.request_timeout_s)
        transcript = await transcribe(http, backend, form.upload, wanted.request)
        body = {
            **render.plain_json(
                transcript,
                segments=wanted.timestamps,
                speakers=wanted.request.diarizer is not None,
            ),
            "filename": form.filename,
            "timestamp": datetime.now(UTC).isoformat(),
            **simulated_of(wanted.model),
        }
        return JSONResponse(body, headers=headers_of(wanted.model, transcript.stage_times))

    _add_probes(routes, config, served, backend)
    return routes


_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The transcript.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["text", "segments", "filename", "timestamp"],
                    "properties": {
                        "text": {"type": "string"},
                        "segments": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["start", "end", "text"],
                                "properties": {
                                    "start": {"type": "number", "description": "Seconds."},
                                    "end": {"type": "number", "description": "Seconds."},
                                    "text": {"type": "string"},
                                    "channel": {
                                        "type": "integer",
                                        "description": "With `channel=split` only.",
                                    },
                                    "speaker": {
                                        "type": ["string", "null"],
                                        "description": "With `diarize` only.",
                                    },
                                },
                            },
                        },
                        "filename": {"type": "string"},
                        "language": {"type": ["string", "null"], "description": "Of the text."},
                        "spoken_language": {"type": ["string", "null"]},
                        "timestamp": {"type": "string", "format": "date-time"},
                        "simulated": {"type": "boolean"},
                    },
                }
            }
        },
    }
}


def _add_probes(
    routes: APIRouter, config: ServerConfig, served: ServedModels, backend: Backend
) -> None:
    @routes.get("/api/languages", summary="Each language by its code, and what is translated")
    async def languages() -> dict[str, Mapping[str, Any]]:
        return {"languages": served.languages(), "translations": served.translations()}

    @routes.get("/health", summary="Whether this process lives, and what the default model is")
    async def health() -> dict[str, Any]:
        info = (await models_by_name(backend)).get(served.first.name)
        return {
            "status": "starting" if info is None else "healthy",
            "model_loaded": info is not None,
            "model_name": served.first.name,
            "device": None if info is None else info.device,
            "languages": list(served.first.languages),
            "licence": served.first.licence,
            "attribution": served.first.attribution,
            "tasks": list(served.tasks()),
            "translation_model": served.default_translation and served.default_translation.name,
            **simulated_of(served.first),
        }

    @routes.get(
        "/ready",
        summary="Whether what is handed in now would be answered",
        responses={503: {"description": "No: a model has no replica that can; see `Retry-After`."}},
    )
    async def ready() -> dict[str, str]:
        if not await is_ready(backend):
            raise ModelUnavailableError(served.first.name, config.limits.retry_after_s)
        return {"status": "ready"}

    @routes.get(
        "/metrics",
        summary="This node's metrics, for Prometheus",
        response_class=Response,
        responses={503: {"description": "The node's exporter does not answer."}},
    )
    async def metrics() -> Response:
        return Response(await metrics_text(backend), headers={"content-type": _PROMETHEUS})


_RECORDINGS = {
    "transcribe": "POST /v1/audio/transcriptions",
    "translate": "POST /v1/audio/translations",
    "transcribe_plain": "POST /transcribe",
}
_JOBS = {
    "submit": "POST /transcribe/async",
    "jobs": "GET /jobs",
    "job": "GET /jobs/{id}/status",
    "job_result": "GET /jobs/{id}/result",
    "cancel_job": "POST /jobs/{id}/cancel",
    "delete_job": "DELETE /jobs/{id}",
}
_STREAMS = {
    "stream": "WebSocket /asr",
    "stream_op": "WebSocket /",
    "stream_realtime": "WebSocket /v1/realtime",
}
_SPEECH = {
    "speak": "POST /v1/audio/speech",
    "voices": "GET /v1/audio/voices",
}


def _about(served: ServedModels, config: ServerConfig) -> dict[str, Any]:
    return {
        "name": "Chorus",
        "version": serve_app.__version__,
        "models": [model.name for model in served.models],
        "default_model": served.default and served.default.name,
        "default_streaming_model": served.default_streaming and served.default_streaming.name,
        "endpoints": {
            **(_RECORDINGS if served.offline else {}),
            **(_JOBS if config.jobs and served.offline else {}),
            **(_STREAMS if served.streaming else {}),
            **(_SPEECH if config.synthesizers else {}),
            "models": "GET /v1/models",
            "languages": "GET /api/languages",
            "health": "GET /health",
            "ready": "GET /ready",
            "metrics": "GET /metrics",
        },
        "documentation": "/docs",
    }
