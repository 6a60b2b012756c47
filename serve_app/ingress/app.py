"""A configuration and a backend, in; the whole HTTP server as one ASGI application, out."""

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

import serve_app
from serve_app.config import ServerConfig
from serve_app.deployments.ledger import AsyncLedger
from serve_app.errors import InvalidOptionError, SpeechError
from serve_app.ingress.admission.door import Admission
from serve_app.ingress.admission.forecast import Forecast, forecast_of
from serve_app.ingress.admission.gate import Gate, gate_of
from serve_app.ingress.admission.weighed import WeighedBackend
from serve_app.ingress.auth.audit import Accounted
from serve_app.ingress.auth.guards import Guards, guards_of, is_audited, shown, signer_for
from serve_app.ingress.auth.secrets import Signer
from serve_app.ingress.backend import Backend
from serve_app.ingress.jobs.desk import Desk
from serve_app.ingress.middleware import REQUEST_ID_HEADER, Faults, Lingering, RequestId
from serve_app.ingress.problems import problem_of, problem_of_http, refuse
from serve_app.ingress.sockets.serving import Sockets, Tally
from serve_app.ingress.web import reference, site
from serve_app.ingress.wires import asr, op
from serve_app.ingress.wires.realtime import client_secrets
from serve_app.ingress.wires.realtime import routes as realtime
from serve_app.ingress.wires.realtime.client_secrets import ClientSecrets
from serve_app.ingress.wires.realtime.translations import routes as translations
from serve_app.ingress.wires.rest import jobs, models, openai, plain, speech
from serve_app.ingress.wires.rest.answers import SIMULATED_HEADER, TIMING_HEADER
from serve_app.ingress.wires.translate import wire as translate

_EXPOSED_HEADERS = (REQUEST_ID_HEADER, SIMULATED_HEADER, TIMING_HEADER, speech.VOICE_HEADER)


def build_app(
    config: ServerConfig,
    backend: Backend,
    *,
    gate: Gate | None = None,
    request_ids: bool = True,
    ledger: AsyncLedger | None = None,
    signing_secret: str = "",
    tally: Tally | None = None,
    desk: Desk | None = None,
) -> FastAPI:
    """All HTTP wires over one backend, behind `gate` where the caller means to close it.

    `request_ids` puts `x-request-id` on the answers; turn it off behind a proxy that does so
    itself, as Ray Serve's does, or clients see it twice. `ledger` counts what keys use; a server
    of a single process needs none. `signing_secret` is for client secrets: see `AuthConfig`.
    `tally` counts live streams. `desk` takes jobs, where they are configured; one of its own if
    not given. Its `state.forecast` tells how long newcomers would wait.

    Raises:
        ConfigError: the keys or the signing secret cannot be read.
    """
    gate = gate or gate_of(config.limits)
    forecast = forecast_of(config, backend.load)
    # What is fed to a socket is charged as it comes; what becomes of it is not charged again.
    behind_sockets = WeighedBackend(backend, forecast, max_audio_s=config.limits.max_audio_s)
    backend = _watched(config, backend, forecast)
    signer = signer_for(config.auth, signing_secret)
    routers, wires = _routers(config, backend, Sockets(config, behind_sockets, gate, tally), signer)
    if config.jobs is not None:
        routers.append(jobs.router(config, config.jobs, desk or Desk(config.jobs)))
    routes = [route for router in (*routers, *wires) for route in router.routes]
    guards = guards_of(config, routes, ledger, signer)
    middleware = _middleware(config, gate, forecast, guards, request_ids=request_ids)
    app = _assembled(config, middleware, routers, wires)
    app.state.forecast = forecast
    return app


def _watched(config: ServerConfig, backend: Backend, forecast: Forecast) -> Backend:
    """What it is given is charged, where anybody is, and weighed before."""
    backend = Accounted(backend) if is_audited(config.auth) else backend
    return WeighedBackend(backend, forecast, max_audio_s=config.limits.max_audio_s)


def _assembled(
    config: ServerConfig,
    middleware: list[Middleware],
    routers: list[APIRouter],
    wires: list[APIRouter],
) -> FastAPI:
    app = FastAPI(
        title="Chorus",
        summary="Speech to text, and text to speech",
        version=serve_app.__version__,
        docs_url=None,
        redoc_url=None,
        middleware=middleware,
        exception_handlers=_HANDLERS,
    )
    for router in routers:
        app.include_router(router, **shown(config.auth))
    for wire in wires:  # FastAPI can ask for a key of requests only; the door asks sockets too
        app.include_router(wire)
    app.include_router(site.router())
    app.include_router(reference.router(app.title))
    app.router.default = _on_unknown_path
    return app


def _routers(
    config: ServerConfig, backend: Backend, sockets: Sockets, signer: Signer | None
) -> tuple[list[APIRouter], list[APIRouter]]:
    """Those of requests, and those of live streams."""
    served = sockets.served
    secrets = ClientSecrets(config.auth, signer, realtime.session_kind(served))
    translation_secrets = ClientSecrets(config.auth, signer, translations.session_kind(config))
    requests = [
        plain.router(config, backend),
        openai.router(config, backend),
        speech.router(config, backend),
        models.router(config, backend),
        client_secrets.router(secrets),
        client_secrets.router(translation_secrets),
    ]
    streams = [
        asr.router(sockets),
        op.router(sockets),
        realtime.router(sockets, secrets),
        translations.router(sockets, translation_secrets),
        translate.router(sockets),
    ]
    return requests, streams


def _middleware(
    config: ServerConfig, gate: Gate, forecast: Forecast, guards: Guards, *, request_ids: bool
) -> list[Middleware]:
    cors = Middleware(
        CORSMiddleware,
        allow_origins=config.cors_origins,
        allow_methods=["DELETE", "GET", "POST"],
        allow_headers=["*"],
        expose_headers=[*_EXPOSED_HEADERS, "retry-after"],
    )
    return [
        Middleware(RequestId, on_responses=request_ids),
        *guards.audit,
        *([cors] if config.cors_origins else []),
        Middleware(Lingering),
        *guards.door,
        Middleware(Admission, gate=gate, forecast=forecast, limits=config.limits),
        Middleware(Faults),
    ]


async def _on_unknown_path(scope: Scope, receive: Receive, send: Send) -> None:
    """Starlette's own denies a socket with a 403 that says nothing."""
    error = HTTPException(404)
    if scope["type"] != "websocket":
        raise error
    await refuse(problem_of_http(error), scope, receive, send)


async def _on_speech_error(request: Request, error: Any) -> Response:
    return problem_of(error).response(request.url.path)


async def _on_http_error(request: Request, error: Any) -> Response:
    response = problem_of_http(error).response(request.url.path)
    response.headers.update(error.headers or {})
    return response


async def _on_validation_error(request: Request, error: Any) -> Response:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:])
    return problem_of(InvalidOptionError(place, first["msg"])).response(request.url.path)


_HANDLERS: dict[int | type[Exception], Any] = {
    SpeechError: _on_speech_error,
    HTTPException: _on_http_error,
    RequestValidationError: _on_validation_error,
}
