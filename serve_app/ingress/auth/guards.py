"""The configuration, in; what stands guard before the routes, as middleware, out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Depends
from fastapi.security import HTTPBearer
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from serve_app.config import AuthConfig, ServerConfig
from serve_app.deployments.ledger import AsyncLedger, LedgerReplica
from serve_app.ingress.auth.audit import Audit
from serve_app.ingress.auth.door import METRICS_PATH, OPEN_PATHS, Door, Origins
from serve_app.ingress.auth.keys import KeyFile, path_of
from serve_app.ingress.auth.secrets import signer_of

_LOCKED: dict[str, Any] = {
    "dependencies": [Depends(HTTPBearer(auto_error=False, description="An API key."))],
    "responses": {401: {"description": "No API key, or none that opens anything here."}},
}


@dataclass(frozen=True, slots=True)
class Guards:
    """What stands where among the middleware."""

    audit: tuple[Middleware, ...]
    """Outside of everything that answers by itself."""
    door: tuple[Middleware, ...]
    """Before anything is held for a request."""


def is_audited(auth: AuthConfig) -> bool:
    """Always where keys are asked for: the door charges what the audit counts."""
    return auth.audit or auth.keys_file is not None


def guards_of(
    config: ServerConfig,
    routes: Sequence[BaseRoute],
    ledger: AsyncLedger | None,
    signing_secret: str,
) -> Guards:
    """
    Raises:
        ConfigError: the keys or the signing secret cannot be read.
    """
    audit = (Middleware(Audit, routes=routes),) if is_audited(config.auth) else ()
    origins = Middleware(Origins, allowed=config.cors_origins)
    return Guards(audit, (origins, *_door(config.auth, ledger, signing_secret)))


def shown(auth: AuthConfig) -> dict[str, Any]:
    """What `include_router` is told, so that `/docs` asks for a key where the door does."""
    return {} if auth.keys_file is None else _LOCKED


def _door(
    auth: AuthConfig, ledger: AsyncLedger | None, signing_secret: str
) -> tuple[Middleware, ...]:
    if auth.keys_file is None:
        return ()
    secret_file = path_of(auth.secret_file) if auth.secret_file is not None else None
    door = Middleware(
        Door,
        keys=KeyFile(path_of(auth.keys_file)),
        ledger=ledger or LedgerReplica(),
        signer=signer_of(secret_file, signing_secret),
        open_paths=OPEN_PATHS if auth.metrics_need_key else OPEN_PATHS | {METRICS_PATH},
    )
    return (door,)
