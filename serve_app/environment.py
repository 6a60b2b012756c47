"""Settings from the environment, laid over those of a configuration. Reads nothing itself."""

from collections.abc import Mapping

from pydantic import ValidationError

from serve_app.config import ServerConfig, reason_of
from serve_app.errors import ConfigError

ENVIRONMENT: Mapping[str, tuple[str, ...]] = {
    "CHORUS_DEFAULT_MODEL": ("default_model",),
    "CHORUS_CORS_ORIGINS": ("cors_origins",),
    "CHORUS_KEYS_FILE": ("auth", "keys_file"),
    "CHORUS_SECRET_FILE": ("auth", "secret_file"),
    "CHORUS_METRICS_PORT": ("metrics_port",),
    "CHORUS_MAX_UPLOAD_BYTES": ("limits", "max_upload_bytes"),
    "CHORUS_MAX_AUDIO_S": ("limits", "max_audio_s"),
    "CHORUS_REQUEST_TIMEOUT_S": ("limits", "request_timeout_s"),
    "CHORUS_UPLOAD_TIMEOUT_S": ("limits", "upload_timeout_s"),
    "CHORUS_MAX_CONCURRENT_REQUESTS": ("limits", "max_concurrent_requests"),
    "CHORUS_NUM_DECODERS": ("preprocessor", "num_decoders"),
    "CHORUS_DATABASE_URL": ("jobs", "database_url"),
    "CHORUS_AUDIO_URL": ("jobs", "audio_url"),
}
"""Environment variables that override a setting, and its place. `.env.example` lists them."""


def with_environment(config: ServerConfig, environ: Mapping[str, str]) -> ServerConfig:
    """`config` with the settings that `environ` names.

    Raises:
        ConfigError: a value does not fit its setting; its place is the variable.
    """
    for variable in ENVIRONMENT:
        if value := environ.get(variable, "").strip():
            config = _overridden(config, variable, value)
    return config


def _overridden(config: ServerConfig, variable: str, value: str) -> ServerConfig:
    tree = config.model_dump()
    node = tree
    *parents, setting = ENVIRONMENT[variable]
    for key in parents:
        if node[key] is None:  # what is not configured stays so
            return config
        node = node[key]
    items = (item.strip() for item in value.split(","))
    node[setting] = [item for item in items if item] if setting == "cors_origins" else value
    try:
        return ServerConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(variable, reason_of(error.errors()[0]["msg"])) from error
