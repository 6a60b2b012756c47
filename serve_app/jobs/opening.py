"""The configuration of jobs in; their database, their audio and their callbacks, ready to use, out.

Relative places count from the project's root, as checkpoints do.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import serve_app
from serve_app.config import JobsConfig
from serve_app.errors import ConfigError
from serve_app.jobs.audio import AudioStore
from serve_app.jobs.callbacks import Callbacks
from serve_app.jobs.store import JobStore

SECRET_VARIABLE = "CHORUS_CALLBACK_SECRET"
_ROOT = Path(serve_app.__file__).parent.parent
_SQLITE = "sqlite+aiosqlite:///"


async def open_store(config: JobsConfig) -> JobStore:
    """
    Raises:
        ConfigError: see `JobStore.open`.
    """
    url = config.database_url
    if url.startswith(_SQLITE):
        url = _SQLITE + str(_ROOT / url.removeprefix(_SQLITE))
    return await JobStore.open(url, max_queued=config.max_queued, max_attempts=config.max_attempts)


async def open_audio(config: JobsConfig) -> AudioStore:
    """
    Raises:
        ConfigError: see `AudioStore.open`.
    """
    url = config.audio_url
    return await AudioStore.open(url if "://" in url else str(_ROOT / url))


def callback_secret(config: JobsConfig, environ: Mapping[str, str] = os.environ) -> str:
    """What callbacks are signed with; empty where there is nothing.

    Raises:
        ConfigError: its file cannot be read.
    """
    if config.callback_secret_file is None:
        return environ.get(SECRET_VARIABLE, "").strip()
    try:
        return (_ROOT / config.callback_secret_file).read_text().strip()
    except OSError as error:
        raise ConfigError("jobs.callback_secret_file", str(error)) from error


def callbacks_of(config: JobsConfig) -> Callbacks | None:
    """None where none are sent: nothing signs them.

    Raises:
        ConfigError: the secret cannot be read, or is none.
    """
    secret = callback_secret(config)
    return Callbacks(config, secret) if secret else None
