"""`POST …/client_secrets`: a session, in; a secret that opens it once or more, out.

Nothing is stored: the secret carries the session, signed, so that any ingress replica can read it.
Where the server asks for no keys there is nothing to protect; a secret is signed there as well,
with what everybody knows, so that clients that fetch one first work, on every replica.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.types import Scope

from serve_app.config import AuthConfig
from serve_app.errors import InvalidOptionError, UnsupportedOptionError
from serve_app.ingress.auth.door import CLAIMS, KEY, presented_by
from serve_app.ingress.auth.keys import Key
from serve_app.ingress.auth.secrets import PREFIX, Claims, Signer
from serve_app.ingress.bodies import read_json
from serve_app.ingress.wires.rest.answers import PROBLEMS
from serve_app.transcript.render import Json

_MAX_BODY_BYTES = 64 * 1024
_DEFAULT_S, _MIN_S, _MAX_S = 600, 10, 7200
"""OpenAI's own bounds."""
_OPEN = Signer(b"this server asks for no keys, so this is no secret")


def router(secrets: "ClientSecrets") -> APIRouter:
    """The route under which they are made."""
    routes = APIRouter(tags=["OpenAI"])

    @routes.post(
        f"{secrets.path}/client_secrets",
        summary=f"A secret for a browser, to open a session of {secrets.path} with",
        responses={400: PROBLEMS[400], 408: PROBLEMS[408], 429: PROBLEMS[429], 503: PROBLEMS[503]},
        openapi_extra=_body_schema(secrets.described),
    )
    async def client_secrets(http: Request) -> dict[str, Any]:
        return dict(await secrets.make(http))

    return routes


@dataclass(frozen=True, slots=True)
class SessionKind:
    """Sessions of one path."""

    path: str
    described: str
    """What its `session` is, for OpenAPI."""
    shown: Callable[[Any], Mapping[str, Json]]
    """A session as a client is shown it; raises any `RequestError` where that cannot be had."""


class ClientSecrets:
    """Makes those of one path, and finds what one has brought along."""

    def __init__(
        self,
        auth: AuthConfig,
        signer: Signer | None,
        kind: SessionKind,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` gives Unix seconds."""
        self.path, self.described = kind.path, kind.described
        self._shown = kind.shown
        self._asks_for_keys = auth.keys_file is not None
        self._signer = signer if self._asks_for_keys else signer or _OPEN
        self._clock = clock

    async def make(self, request: Request) -> dict[str, Json]:
        """
        Raises:
            RequestError: the body is none of OpenAI's, or asks for what cannot be honoured.
        """
        if self._signer is None:
            raise UnsupportedOptionError(
                "client_secrets",
                "this server has no secret to sign them with: set CHORUS_SIGNING_SECRET, or "
                "`auth.secret_file`, of at least 32 bytes and the same on every ingress node",
            )
        body = await read_json(
            request, max_bytes=_MAX_BODY_BYTES, known_fields=("session", "expires_after")
        )
        session = body.get("session") or {}
        shown = self._shown(session)
        expires_at = int(self._clock()) + _lifetime_s(body.get("expires_after"))
        key: Key | None = request.scope.get("state", {}).get(KEY)
        name, fingerprint = ("", "") if key is None else (key.name, key.fingerprint)
        try:
            value = self._signer.sign(Claims(name, fingerprint, expires_at, self.path, session))
        except ValueError as error:
            raise InvalidOptionError("session", str(error)) from error
        return {"value": value, "expires_at": expires_at, "session": shown}

    def session_of(self, scope: Scope) -> Mapping[str, Any]:
        """The session that the client's secret was made with; empty for who came without one.

        Raises:
            UnauthenticatedError: it was made here and has expired, or opens another path.
        """
        claims: Claims | None = scope.get("state", {}).get(CLAIMS)
        if claims is not None:
            return claims.session
        presented = presented_by(scope)
        if self._asks_for_keys or self._signer is None or not (presented or "").startswith(PREFIX):
            return {}
        if not self._signer.signed(presented or ""):
            return {}  # somebody else's; here no key is wrong
        return self._signer.verify(presented or "", self.path, self._clock()).session


def _lifetime_s(value: Any) -> int:
    if value is None:
        return _DEFAULT_S
    if not isinstance(value, dict) or value.get("anchor", "created_at") != "created_at":
        raise InvalidOptionError("expires_after.anchor", "only `created_at`")
    seconds = value.get("seconds", _DEFAULT_S)
    if type(seconds) is not int or not _MIN_S <= seconds <= _MAX_S:
        raise InvalidOptionError(
            "expires_after.seconds", f"is no whole number from {_MIN_S} to {_MAX_S}"
        )
    return seconds


def _body_schema(session: str) -> dict[str, Any]:
    return {
        "requestBody": {
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "expires_after": {
                                "type": "object",
                                "properties": {
                                    "anchor": {"type": "string", "enum": ["created_at"]},
                                    "seconds": {"type": "integer", "minimum": 10, "maximum": 7200},
                                },
                            },
                            "session": {
                                "type": "object",
                                "description": session,
                            },
                        },
                    }
                }
            }
        }
    }
