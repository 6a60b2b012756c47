"""The one application of a Serve config, as Serve's schema takes it, in; its mistakes out."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from ray.runtime_env import RuntimeEnv

from serve_app.config import BatchConfig, DiarizationConfig, ServerConfig
from serve_app.environment import with_environment
from serve_app.errors import ConfigError
from serve_app.pipelines.wording import Wordsmith
from serve_app.serve_config.auth import LEDGER, check_auth, check_ledger
from serve_app.serve_config.diarizers import check_diarizer_deployment
from serve_app.serve_config.environment import environment_errors
from serve_app.serve_config.jobs import JOBS, check_jobs
from serve_app.serve_config.models import OWN_DEPLOYMENTS, check_models, check_policy
from serve_app.serve_config.schemas import meant, schema_errors
from serve_app.serve_config.streams import check_stream_deployment, most_replicas
from serve_app.serve_config.synthesizers import check_synthesizer_deployment, check_synthesizers

IMPORT_PATH = "serve_app.app:build"
GRPC_LIMIT = "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH"
_DEFAULT_GRPC_LIMIT_BYTES = 4 * 1024 * 1024
_MESSAGE_FRAME_BYTES = 64 * 1024
_PLACE = "applications.0"
_RUNTIME_ENV_KEYS = frozenset(RuntimeEnv.known_fields) | {"nsight", "rocprof_sys"}
"""Ray lists its two profilers under the names that it keeps them by."""


def check_application(application: Mapping[str, Any], *, http_port: int) -> Iterator[ConfigError]:
    """Yield what is wrong with the only application, or with the environment that overrides it."""
    if application["import_path"] != IMPORT_PATH:
        yield ConfigError(f"{_PLACE}.import_path", f"must be {IMPORT_PATH}")
    yield from _check_route_prefix(application.get("route_prefix", "/"))
    yield from _check_runtime_env(application.get("runtime_env"), f"{_PLACE}.runtime_env")
    args = application.get("args", {})
    errors = list(schema_errors(args, ServerConfig, f"{_PLACE}.args"))
    if errors:
        yield from errors
        return
    config = ServerConfig.model_validate(args)
    yield from check_models(config.models, f"{_PLACE}.args.models")
    yield from check_synthesizers(config.synthesizers, f"{_PLACE}.args.synthesizers")
    errors = list(environment_errors(config, os.environ))
    if errors:
        yield from errors
        return
    config = with_environment(config, os.environ)
    yield from _check_deployments(application, config)
    yield from check_auth(config.auth, f"{_PLACE}.args.auth")
    yield from check_jobs(config.jobs, f"{_PLACE}.args.jobs")
    yield from _check_profanity(config.preprocessor.profanity_file)
    yield from _check_message_limit(application, config)
    if config.metrics_port == http_port:
        variable = "CHORUS_METRICS_PORT"
        place = variable if os.environ.get(variable) else f"{_PLACE}.args.metrics_port"
        yield ConfigError(place, f"{http_port} is http_options.port too")


def _check_profanity(profanity_file: str | None) -> Iterator[ConfigError]:
    try:
        Wordsmith.of(profanity_file)
    except ConfigError as error:
        yield ConfigError(f"{_PLACE}.args.{error.place}", error.reason)


def _check_route_prefix(prefix: Any) -> Iterator[ConfigError]:
    place = f"{_PLACE}.route_prefix"
    if not isinstance(prefix, str) or not prefix.startswith("/"):
        yield ConfigError(place, 'must begin with "/"')
    elif prefix != "/" and prefix.endswith("/"):
        yield ConfigError(place, 'must not end with "/"')
    elif "{" in prefix or "}" in prefix:
        yield ConfigError(place, "cannot hold wildcards")


def _check_runtime_env(runtime_env: Any, place: str) -> Iterator[ConfigError]:
    """What Ray would only refuse in the processes that it starts with it."""
    if not isinstance(runtime_env, Mapping):
        if runtime_env is not None:
            yield ConfigError(place, "is no mapping")
        return
    for key in runtime_env:
        if key not in _RUNTIME_ENV_KEYS:
            known = [name for name in _RUNTIME_ENV_KEYS if not name.startswith("_")]
            yield ConfigError(
                f"{place}.{key}", f"is no setting of a runtime environment{meant(str(key), known)}"
            )
    variables = runtime_env.get("env_vars") or {}
    if not isinstance(variables, Mapping):
        yield ConfigError(f"{place}.env_vars", "is no mapping")
        return
    for name, value in variables.items():
        if not isinstance(name, str) or not isinstance(value, str):
            yield ConfigError(f"{place}.env_vars.{name}", "is no text; put it in quotes")


def _check_message_limit(
    application: Mapping[str, Any], config: ServerConfig
) -> Iterator[ConfigError]:
    """An upload goes to a preprocessor in one message, and Ray's own limit is 4 MiB."""
    variables = (application.get("runtime_env") or {}).get("env_vars") or {}
    if not isinstance(variables, Mapping):
        return
    needed = config.limits.max_upload_bytes + _MESSAGE_FRAME_BYTES
    value = str(variables.get(GRPC_LIMIT, _DEFAULT_GRPC_LIMIT_BYTES))
    if not value.isdecimal() or int(value) < needed:
        place = f"{_PLACE}.runtime_env.env_vars.{GRPC_LIMIT}"
        yield ConfigError(place, f"must be at least {needed}, for uploads of max_upload_bytes")


def _check_deployments(
    application: Mapping[str, Any], config: ServerConfig
) -> Iterator[ConfigError]:
    synthesizers = {each.name for each in config.synthesizers}
    known = _deployments_of(config)
    seen: set[str] = set()
    streaming = {model.name: model.streaming for model in config.streaming_models}
    diarizers = {model.name: model.diarization for model in config.diarizers}
    deployments = application.get("deployments", [])
    ingress = next((each for each in deployments if each["name"] == "Ingress"), None)
    for index, deployment in enumerate(deployments):
        place = f"{_PLACE}.deployments.{index}"
        name = deployment["name"]
        if name not in known:
            yield ConfigError(f"{place}.name", f"there is no {name!r}{meant(name, known)}")
        if name in seen:
            yield ConfigError(f"{place}.name", f"{name!r} has an entry already")
        seen.add(name)
        if name == LEDGER:
            yield from check_ledger(deployment, place)
        if (settings := streaming.get(name)) is not None:
            yield from check_stream_deployment(
                deployment, settings, place, num_ingresses=most_replicas(ingress)
            )
        elif name in diarizers:
            diarization = diarizers[name] or DiarizationConfig()
            yield from check_diarizer_deployment(deployment, diarization, place)
        elif name in synthesizers:
            yield from check_synthesizer_deployment(deployment, place)
        else:
            yield from check_policy(deployment, place, is_streaming=False)
            yield from _check_user_config(name, deployment.get("user_config"), place)
        yield from _check_places(name, deployment.get("max_ongoing_requests"), config, place)
        options = deployment.get("ray_actor_options")
        if isinstance(options, Mapping):
            yield from _check_runtime_env(
                options.get("runtime_env"), f"{place}.ray_actor_options.runtime_env"
            )


def _deployments_of(config: ServerConfig) -> set[str]:
    models = {model.name for model in config.models}
    speaking = {synthesizer.name for synthesizer in config.synthesizers}
    missing = {LEDGER} if config.auth.keys_file is None else set()
    missing |= {JOBS} if config.jobs is None else set()
    return {*OWN_DEPLOYMENTS, *models, *speaking} - missing


def _check_places(
    name: str, max_ongoing: Any, config: ServerConfig, place: str
) -> Iterator[ConfigError]:
    """With fewer places than it admits, requests wait in the proxy, and nobody tells them."""
    num_admitted = config.limits.max_concurrent_requests
    if name == "Ingress" and isinstance(max_ongoing, int) and max_ongoing <= num_admitted:
        yield ConfigError(
            f"{place}.max_ongoing_requests",
            f"must be above limits.max_concurrent_requests, {num_admitted}; or leave it out",
        )


def _check_user_config(
    name: str, user_config: Mapping[str, Any] | None, deployment: str
) -> Iterator[ConfigError]:
    place = f"{deployment}.user_config"
    if user_config is None:
        return
    if name in OWN_DEPLOYMENTS:
        yield ConfigError(place, f"{name} has no live settings")
        return
    for key in user_config:
        if key != "batch":
            yield ConfigError(f"{place}.{key}", "is no live setting; there is `batch`")
    yield from schema_errors(user_config.get("batch", {}), BatchConfig, f"{place}.batch")
