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
from serve_app.ingress.auth.secrets import Signer, signer_of

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
    signer: Signer | None,
) -> Guards:
    """
    Raises:
        ConfigError: the keys cannot be read.
    """
    audit = (Middleware(Audit, routes=routes),) if is_audited(config.auth) else ()
    origins = Middleware(Origins, allowed=config.cors_origins)
    return Guards(audit, (origins, *_door(config.auth, ledger, signer)))


def shown(auth: AuthConfig) -> dict[str, Any]:
    """What `include_router` is told, so that `/docs` asks for a key where the door does."""
    return {} if auth.keys_file is None else _LOCKED


def signer_for(auth: AuthConfig, signing_secret: str) -> Signer | None:
    """Of the file that is configured, or else of `signing_secret`; None without either.

    Raises:
        ConfigError: the file cannot be read, or a secret is too short.
    """
    return signer_of(path_of(auth.secret_file) if auth.secret_file else None, signing_secret)


def _door(
    auth: AuthConfig, ledger: AsyncLedger | None, signer: Signer | None
) -> tuple[Middleware, ...]:
    if auth.keys_file is None:
        return ()
    door = Middleware(
        Door,
        keys=KeyFile(path_of(auth.keys_file)),
        ledger=ledger or LedgerReplica(),
        signer=signer,
        open_paths=OPEN_PATHS if auth.metrics_need_key else OPEN_PATHS | {METRICS_PATH},
    )
    return (door,)
