"""A file of `configs/` in, what Serve deploys out; with every mistake in it named by its place.

The file is Ray Serve's own config format. Serve's schema lets unknown and misspelt keys pass, so
the check here is stricter: what would be ignored is an error, and so is what could never work.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ray.serve.schema import ServeDeploySchema

from serve_app.config import ServerConfig
from serve_app.document import read
from serve_app.environment import with_environment
from serve_app.errors import ConfigError
from serve_app.serve_config.application import GRPC_LIMIT, check_application
from serve_app.serve_config.schemas import schema_errors, unknown_keys

__all__ = ["GRPC_LIMIT", "check", "load", "server_config"]

_MAX_PORT = 65535


def load(path: Path) -> ServeDeploySchema:
    """Read and check a Serve config file, and the environment that overrides it.

    Raises:
        ConfigError: with all that is wrong, a line each.
    """
    document = read(path)
    problems = list(check(document))
    if problems:
        raise ConfigError(str(path), "\n  " + "\n  ".join(str(problem) for problem in problems))
    return ServeDeploySchema.model_validate(document)


def server_config(schema: ServeDeploySchema) -> ServerConfig:
    """The application's own part of a checked file, with what the environment overrides."""
    return with_environment(ServerConfig.model_validate(schema.applications[0].args), os.environ)


def check(document: Mapping[str, Any]) -> Iterator[ConfigError]:
    """Yield what is wrong with a Serve config, each with its place.

    Where Serve itself cannot read it, that is all: the rest needs a structure to look into.
    """
    yield from unknown_keys(document, ServeDeploySchema, "")
    structural = list(_misshapen(document)) or list(schema_errors(document, ServeDeploySchema, ""))
    if structural:
        yield from structural
        return
    applications = document["applications"]
    if len(applications) != 1:
        yield ConfigError("applications", "name exactly one application")
        return
    port = ServeDeploySchema.model_validate(document).http_options.port
    if not 1 <= port <= _MAX_PORT:
        yield ConfigError("http_options.port", f"must be between 1 and {_MAX_PORT}")
    yield from check_application(applications[0], http_port=port)


def _misshapen(document: Mapping[str, Any]) -> Iterator[ConfigError]:
    """Entries of lists that Serve's schema takes for mappings before it looks."""
    for place, entry in _entries(document, "applications", ""):
        if not isinstance(entry, Mapping):
            yield ConfigError(place, "is no mapping")
            continue
        for inner_place, deployment in _entries(entry, "deployments", f"{place}."):
            if not isinstance(deployment, Mapping):
                yield ConfigError(inner_place, "is no mapping")


def _entries(node: Mapping[str, Any], key: str, place: str) -> Iterator[tuple[str, Any]]:
    entries = node.get(key)
    if isinstance(entries, list):
        yield from ((f"{place}{key}.{index}", entry) for index, entry in enumerate(entries))
