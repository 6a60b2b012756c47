"""Client secrets: what a caller with a key hands to a browser, signed, so that nobody stores them.

    ek_<claims>.<signature>          both base64url, without padding

The claims are a small JSON: whose limits it counts against, until when, the one path that it
opens, and the session that it opens there. Any ingress replica that has the same signing secret
can check it. Nothing remembers it, so it can be used again until it expires: keep that short. It
dies early with the key that it was made by, and with the signing secret.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serve_app.errors import ConfigError, UnauthenticatedError

ENVIRONMENT_VARIABLE = "CHORUS_SIGNING_SECRET"
PREFIX = "ek_"
"""As OpenAI's ephemeral keys begin."""
MAX_CHARACTERS = 4096
"""Servers and proxies take headers of 8 KiB or so in all."""

_MIN_SECRET_BYTES = 32
"""As long as the hash, RFC 2104 §3."""
_DOMAIN = b"chorus client secret, version 1: "
"""Signed with the claims, so that a signature made for something else is none here."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a client secret says."""

    key: str
    """Name of the key that it was made by."""
    fingerprint: str
    """Of that key: another one that is given the name later does not inherit what it made."""
    expires_at: int
    """Unix seconds."""
    path: str
    """The only one that it opens."""
    session: Mapping[str, Any] = field(default_factory=dict)
    """JSON: what the wire on that path is to begin with."""


class Signer:
    """Signs with the first of its secrets, and knows the signatures of all.

    So a secret is replaced without a gap: put the new one first, and take the old one away when
    what it signed has expired.
    """

    def __init__(self, *signing_secrets: bytes) -> None:
        """
        Raises:
            ConfigError: there is none, or one shorter than 32 bytes.
        """
        if not signing_secrets or min(map(len, signing_secrets)) < _MIN_SECRET_BYTES:
            reason = f"needs a secret of at least {_MIN_SECRET_BYTES} bytes on each line"
            raise ConfigError("secret_file", reason)
        self._secrets = signing_secrets

    def sign(self, claims: Claims) -> str:
        """
        Raises:
            ValueError: the session is too large for a header.
        """
        body = {
            "key": claims.key,
            "fpr": claims.fingerprint,
            "exp": claims.expires_at,
            "path": claims.path,
            "session": claims.session,
        }
        payload = _encoded(json.dumps(body, separators=(",", ":")).encode())
        token = f"{PREFIX}{payload}.{_signature(self._secrets[0], payload).decode()}"
        if len(token) > MAX_CHARACTERS:
            raise ValueError(f"a client secret of {len(token)} characters fits into no header")
        return token

    def signed(self, token: str) -> bool:
        """Whether it was signed here, whatever it says."""
        payload, _, signature = token.removeprefix(PREFIX).partition(".")
        given = signature.encode("utf-8", "surrogateescape")
        is_ours = [
            hmac.compare_digest(_signature(secret, payload), given) for secret in self._secrets
        ]
        return len(token) <= MAX_CHARACTERS and any(is_ours)

    def verify(self, token: str, path: str, now_s: float) -> Claims:
        """What a token says that was signed here, has not expired and opens `path`.

        `now_s` in Unix seconds.

        Raises:
            UnauthenticatedError: it is none of that; which, is said only of what was signed here.
        """
        payload = token.removeprefix(PREFIX).partition(".")[0]
        if not self.signed(token):
            raise UnauthenticatedError("the client secret was not signed by this server")
        claims = _claims(payload)
        if claims.expires_at <= now_s:
            raise UnauthenticatedError("the client secret has expired")
        if claims.path != path:
            raise UnauthenticatedError(f"the client secret opens {claims.path} only")
        return claims


def _claims(payload: str) -> Claims:
    """
    Raises:
        UnauthenticatedError: it has not all of them: where anybody may sign, the signature says
            nothing of what was signed.
    """
    try:
        body = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        json.dumps(body, ensure_ascii=False).encode()
        claims = Claims(body["key"], body["fpr"], body["exp"], body["path"], body["session"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnauthenticatedError("the client secret is none") from error
    texts = claims.key, claims.fingerprint, claims.path
    is_whole = all(isinstance(text, str) for text in texts) and isinstance(claims.session, dict)
    if not is_whole or not isinstance(claims.expires_at, int):
        raise UnauthenticatedError("the client secret is none")
    return claims


def signer_of(secret_file: Path | None, from_environment: str) -> Signer | None:
    """The signer of a file with a secret on each line, or of the one in the environment.

    Raises:
        ConfigError: the file cannot be read, or a secret is too short.
    """
    if secret_file is not None:
        try:
            lines = secret_file.read_bytes().splitlines()
        except OSError as error:
            raise ConfigError(str(secret_file), f"cannot be read: {error.strerror}") from error
        return Signer(*(line.strip() for line in lines if line.strip()))
    return Signer(from_environment.strip().encode()) if from_environment.strip() else None


def _signature(secret: bytes, payload: str) -> bytes:
    signed = _DOMAIN + payload.encode("utf-8", "surrogateescape")
    return _encoded(hmac.new(secret, signed, hashlib.sha256).digest()).encode()


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
