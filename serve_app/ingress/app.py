"""A configuration and a backend, in; the whole HTTP server as one ASGI application, out."""

from typing import Any

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response

import serve_app
from serve_app.config import ServerConfig
from serve_app.deployments.ledger import AsyncLedger, LedgerReplica
from serve_app.errors import InvalidOptionError, SpeechError
from serve_app.ingress.auth.audit import Accounted, Audit
from serve_app.ingress.auth.door import METRICS_PATH, OPEN_PATHS, Door, Origins
from serve_app.ingress.auth.keys import KeyFile, path_of
from serve_app.ingress.auth.secrets import signer_of
from serve_app.ingress.backend import Backend
from serve_app.ingress.middleware import (
    REQUEST_ID_HEADER,
    Admission,
    Faults,
    Gate,
    Lingering,
    RequestId,
)
from serve_app.ingress.problems import problem_of, problem_of_http
from serve_app.ingress.wires import openai, plain
from serve_app.ingress.wires.answers import SIMULATED_HEADER, TIMING_HEADER

_LOCKED: dict[str, Any] = {
    "dependencies": [Depends(HTTPBearer(auto_error=False, description="An API key."))],
    "responses": {401: {"description": "No API key, or none that opens anything here."}},
}
"""For `/docs` alone, where keys are asked for; `Door` has looked at them already."""


def build_app(
    config: ServerConfig,
    backend: Backend,
    *,
    gate: Gate | None = None,
    request_ids: bool = True,
    ledger: AsyncLedger | None = None,
    signing_secret: str = "",
) -> FastAPI:
    """All HTTP wires over one backend, behind `gate` where the caller means to close it.

    `request_ids` puts `x-request-id` on the answers; turn it off behind a proxy that does so
    itself, as Ray Serve's does, or clients see it twice. `ledger` counts what keys use; a server
    of a single process needs none. `signing_secret` is for client secrets: see `AuthConfig`.

    Raises:
        ConfigError: the keys or the signing secret cannot be read.
    """
    is_audited = config.auth.audit or config.auth.keys_file is not None
    backend = Accounted(backend) if is_audited else backend
    routers = [plain.router(config, backend), openai.router(config, backend)]
    routes = [route for router in routers for route in router.routes]
    audit = [Middleware(Audit, routes=routes)] if is_audited else []
    door = _door(config, ledger or LedgerReplica(), signing_secret)
    app = FastAPI(
        title="Chorus",
        summary="Speech to text",
        version=serve_app.__version__,
        middleware=_middleware(
            config,
            gate or Gate(config.limits.max_concurrent_requests),
            audit,
            door,
            request_ids=request_ids,
        ),
        exception_handlers={
            SpeechError: _on_speech_error,
            HTTPException: _on_http_error,
            RequestValidationError: _on_validation_error,
        },
    )
    for router in routers:
        app.include_router(router, **(_LOCKED if door else {}))
    return app


def _middleware(
    config: ServerConfig,
    gate: Gate,
    audit: list[Middleware],
    door: list[Middleware],
    *,
    request_ids: bool,
) -> list[Middleware]:
    cors = Middleware(
        CORSMiddleware,
        allow_origins=config.cors_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        expose_headers=[REQUEST_ID_HEADER, SIMULATED_HEADER, TIMING_HEADER, "retry-after"],
    )
    return [
        Middleware(RequestId, on_responses=request_ids),
        *audit,
        *([cors] if config.cors_origins else []),
        Middleware(Lingering),
        Middleware(Origins, allowed=config.cors_origins),
        *door,
        Middleware(Admission, gate=gate, retry_after_s=config.limits.retry_after_s),
        Middleware(Faults),
    ]


def _door(config: ServerConfig, ledger: AsyncLedger, signing_secret: str) -> list[Middleware]:
    auth = config.auth
    if auth.keys_file is None:
        return []
    secret_file = path_of(auth.secret_file) if auth.secret_file is not None else None
    return [
        Middleware(
            Door,
            keys=KeyFile(path_of(auth.keys_file)),
            ledger=ledger,
            signer=signer_of(secret_file, signing_secret),
            open_paths=OPEN_PATHS if auth.metrics_need_key else OPEN_PATHS | {METRICS_PATH},
        )
    ]


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
