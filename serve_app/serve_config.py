"""A file of `configs/` in, what Serve deploys out; with every mistake in it named by its place.

The file is Ray Serve's own config format. Serve's schema lets unknown and misspelt keys pass, so
the check here is stricter: what would be ignored is an error.
"""

import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from ray.serve.schema import DeploymentSchema, ServeApplicationSchema, ServeDeploySchema

from serve_app.config import BatchConfig, ServerConfig, with_environment
from serve_app.errors import ConfigError
from serve_app.models.loader import checkpoint_path

IMPORT_PATH = "serve_app.app:build"
GRPC_LIMIT = "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH"
_MESSAGE_FRAME_BYTES = 64 * 1024
_OWN_DEPLOYMENTS = ("Ingress", "Preprocessor")


def load(path: Path) -> ServeDeploySchema:
    """Read and check a Serve config file.

    Raises:
        ConfigError: with all that is wrong, a line each.
    """
    document = _read(path)
    problems = list(check(document))
    if problems:
        raise ConfigError(str(path), "\n  " + "\n  ".join(str(problem) for problem in problems))
    return ServeDeploySchema.model_validate(document)


def server_config(schema: ServeDeploySchema) -> ServerConfig:
    """The application's own part of a checked file, with what the environment overrides."""
    return with_environment(ServerConfig.model_validate(schema.applications[0].args), os.environ)


def check(document: Mapping[str, Any]) -> Iterator[ConfigError]:
    """Yield what is wrong with a Serve config, each with its place."""
    yield from _unknown_keys(document, ServeDeploySchema, "")
    yield from _schema_errors(document, ServeDeploySchema, "")
    applications = document.get("applications")
    if not isinstance(applications, list) or len(applications) != 1:
        yield ConfigError("applications", "name exactly one application")
        return
    application = applications[0]
    if application.get("import_path") != IMPORT_PATH:
        yield ConfigError("applications.0.import_path", f"must be {IMPORT_PATH}")
    yield from _check_args(application)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.load(path.read_text(), _UniqueKeys)
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(str(path), f"is no YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(str(path), "is no mapping")
    return document


class _UniqueKeys(yaml.SafeLoader):
    """YAML lets a later key replace an earlier one in silence; here that is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key!r} stands twice", problem_mark=node.start_mark
                )
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def _check_args(application: Mapping[str, Any]) -> Iterator[ConfigError]:
    place = "applications.0.args"
    args = application.get("args") or {}
    errors = list(_schema_errors(args, ServerConfig, place))
    if errors:
        yield from errors
        return
    try:
        config = with_environment(ServerConfig.model_validate(args), os.environ)
    except ValidationError as error:
        yield ConfigError("environment", str(error))
        return
    for model in config.models:
        try:
            checkpoint_path(model)
        except ConfigError as error:
            yield ConfigError(f"{place}.{error.place}", error.reason)
    yield from _check_message_limit(application, config)
    yield from _check_deployments(application, config)


def _check_message_limit(
    application: Mapping[str, Any], config: ServerConfig
) -> Iterator[ConfigError]:
    """An upload goes to a preprocessor in one message, and Ray's own limit is 4 MiB."""
    place = f"applications.0.runtime_env.env_vars.{GRPC_LIMIT}"
    variables = (application.get("runtime_env") or {}).get("env_vars") or {}
    needed = config.limits.max_upload_bytes + _MESSAGE_FRAME_BYTES
    value = str(variables.get(GRPC_LIMIT, 4 * 1024 * 1024))
    if not value.isdecimal() or int(value) < needed:
        yield ConfigError(place, f"must be at least {needed}, for uploads of max_upload_bytes")


def _check_deployments(
    application: Mapping[str, Any], config: ServerConfig
) -> Iterator[ConfigError]:
    models = {model.name for model in config.models}
    known = {*_OWN_DEPLOYMENTS, *models}
    for index, deployment in enumerate(application.get("deployments") or []):
        place = f"applications.0.deployments.{index}"
        name = deployment.get("name")
        if name not in known:
            yield ConfigError(f"{place}.name", f"there is no {name!r}{_meant(str(name), known)}")
        if name in models and deployment.get("user_config") is not None:
            yield from _check_user_config(deployment["user_config"], f"{place}.user_config")


def _check_user_config(user_config: Mapping[str, Any], place: str) -> Iterator[ConfigError]:
    for key in user_config:
        if key != "batch":
            yield ConfigError(f"{place}.{key}", "is no live setting; there is `batch`")
    yield from _schema_errors(user_config.get("batch", {}), BatchConfig, f"{place}.batch")


def _schema_errors(value: Any, schema: type[BaseModel], place: str) -> Iterator[ConfigError]:
    try:
        schema.model_validate(value)
    except ValidationError as error:
        details = error.errors()
        if len(details) > 1:  # a list whose entries are wrong is also reported as too short
            details = [detail for detail in details if detail["type"] != "too_short"]
        for detail in details:
            path = ".".join(str(part) for part in detail["loc"])
            yield ConfigError(".".join(filter(None, (place, path))) or "the file", detail["msg"])


def _unknown_keys(value: Any, schema: type[BaseModel], place: str) -> Iterator[ConfigError]:
    """Keys that `schema` does not know, in it and in all schemas below it."""
    if not isinstance(value, Mapping):
        return
    for key, inner in value.items():
        here = f"{place}.{key}" if place else str(key)
        field = schema.model_fields.get(str(key))
        if field is None:
            meant = _meant(str(key), set(schema.model_fields))
            yield ConfigError(here, f"is no setting of {_title(schema)}{meant}")
            continue
        inner_schema = _schema_in(field.annotation)
        if inner_schema is None:
            continue
        if not _is_plain(field.annotation) and inner is not None:
            yield from _schema_errors(inner, inner_schema, here)
        if isinstance(inner, list):
            for index, element in enumerate(inner):
                yield from _unknown_keys(element, inner_schema, f"{here}.{index}")
        else:
            yield from _unknown_keys(inner, inner_schema, here)


def _schema_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_schema_in, get_args(annotation))), None)


def _is_plain(annotation: Any) -> bool:
    """Whether Serve validates the value itself; where it also takes a mere dict, it does not."""
    return dict not in {getattr(option, "__origin__", option) for option in get_args(annotation)}


def _title(schema: type[BaseModel]) -> str:
    titles = {
        ServeDeploySchema: "a Serve config",
        ServeApplicationSchema: "an application",
        DeploymentSchema: "a deployment",
    }
    return titles.get(schema, schema.__name__)


def _meant(key: str, known: set[str]) -> str:
    close = get_close_matches(key, known, n=1)
    return f"; {close[0]!r} is one" if close else f"; known: {', '.join(sorted(known))}"
