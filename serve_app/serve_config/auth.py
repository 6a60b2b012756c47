"""The settings of who may ask, in; what is wrong with them and with the files they name, out."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from serve_app.config import AuthConfig
from serve_app.errors import ConfigError
from serve_app.ingress.auth.keys import path_of, read_keys
from serve_app.ingress.auth.secrets import ENVIRONMENT_VARIABLE, signer_of

LEDGER = "Ledger"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def check_auth(auth: AuthConfig, place: str) -> Iterator[ConfigError]:
    if auth.keys_file is not None:
        try:
            read_keys(path_of(auth.keys_file))
        except ConfigError as error:
            yield ConfigError(f"{place}.keys_file", str(error))
    secret_file = path_of(auth.secret_file) if auth.secret_file is not None else None
    secret = os.environ.get(ENVIRONMENT_VARIABLE, "")
    try:
        signer_of(secret_file, secret)
    except ConfigError as error:
        here = ENVIRONMENT_VARIABLE if secret_file is None else f"{place}.secret_file"
        yield ConfigError(here, error.reason)


def access_lines(auth: AuthConfig, host: str) -> Iterator[str]:
    """What an operator must read at start-up: that nobody can come in, or that everybody can."""
    if auth.keys_file is None:
        if host not in _LOOPBACK:
            yield f"anybody who reaches {host} may transcribe: docs/security.md has API keys"
    elif not read_keys(path_of(auth.keys_file)):
        yield f"nobody has an API key yet: chorus keys new NAME --file {auth.keys_file}"


def check_ledger(deployment: Mapping[str, Any], place: str) -> Iterator[ConfigError]:
    """Two ledgers would let everybody use twice as much."""
    if deployment.get("num_replicas", 1) != 1:
        yield ConfigError(f"{place}.num_replicas", "there is one ledger, or it would not count")
    if deployment.get("autoscaling_config") is not None:
        yield ConfigError(f"{place}.autoscaling_config", "there is one ledger")
