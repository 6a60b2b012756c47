"""A config file in, a server of its own for a benchmark out: one replica of each, a free port."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from loadtest.bench.load import BenchError
from serve_app import serve_config
from serve_app.config import ModelConfig
from serve_app.server import FLAGS_FILE

_START_TIMEOUT_S = 600.0
_STOP_TIMEOUT_S = 120.0
_POLL_S = 0.2
_LOG_LINES = 20


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    pid: int | None
    """None of a server that somebody else started."""


def model_of(config: Path, name: str | None) -> ModelConfig:
    """The model of a config file that is measured: the named one, or the default.

    Raises:
        ConfigError: the file is wrong.
        BenchError: it has no such model.
    """
    settings = serve_config.server_config(serve_config.load(config))
    wanted = name or settings.default_model or settings.models[0].name
    for model in settings.models:
        if wanted in (model.name, *model.aliases):
            return model
    raise BenchError(f"{config} has no model {wanted!r}")


def streaming_model_of(config: Path, name: str | None) -> ModelConfig:
    """As `model_of`, of the models that take live streams.

    Raises:
        ConfigError: the file is wrong.
        BenchError: it has no such model.
    """
    settings = serve_config.server_config(serve_config.load(config))
    wanted = name or settings.default_streaming_model
    for model in settings.models:
        if model.streaming is not None and wanted in (None, model.name, *model.aliases):
            return model
    raise BenchError(f"{config} has no model {wanted or ''!r} for live streams")


@contextmanager
def own_server(
    config: Path,
    model: ModelConfig,
    *,
    limits: Mapping[str, float] | None = None,
    num_replicas: int = 1,
    change: Callable[[dict[str, Any]], None] = lambda document: None,
) -> Iterator[Server]:
    """A server of `model` alone, fixed at one replica, so that one engine faces one engine; or at
    `num_replicas` of it.

    `limits` are laid over those of the file, and `change` has the last word on it. Its jobs are its
    own, and end with it.

    Raises:
        BenchError: it did not become ready; with the end of its log.
    """
    with tempfile.TemporaryDirectory() as folder:
        fixed = Path(folder) / "config.yaml"
        document = fixed_config(config, model, limits or {}, num_replicas=num_replicas)
        _keep_jobs_in(Path(folder), document)
        change(document)
        fixed.write_text(yaml.safe_dump(document))
        if (flags := config.with_name(FLAGS_FILE)).is_file():
            shutil.copy(flags, folder)  # `chorus serve` reads it from beside its config
        log_path = Path(folder) / "log"
        port = free_port()
        with log_path.open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "serve_app.cli", "serve", str(fixed), "--port", str(port)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "CHORUS_METRICS_PORT": str(free_port())},
            )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, process, log_path)
            yield Server(url, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_STOP_TIMEOUT_S)


def fixed_config(
    config: Path,
    model: ModelConfig,
    limits: Mapping[str, float] = MappingProxyType({}),
    *,
    num_replicas: int = 1,
) -> dict[str, object]:
    document: dict[str, object] = yaml.safe_load(config.read_text())
    document.setdefault("http_options", {})["host"] = "127.0.0.1"  # type: ignore[index]
    application = document["applications"][0]  # type: ignore[index]
    application["args"]["models"] = [model.model_dump(mode="json")]
    for key in ("default_model", "default_translation_model", "default_streaming_model"):
        application["args"].pop(key, None)
    application["args"].setdefault("limits", {}).update(limits)
    kept = []
    for deployment in application.get("deployments", []):
        if deployment["name"] not in ("Ingress", "Preprocessor", model.name):
            continue
        if deployment.pop("autoscaling_config", None):
            deployment["num_replicas"] = 1
        if deployment["name"] == model.name:
            deployment["num_replicas"] = num_replicas
        kept.append(deployment)
    application["deployments"] = kept
    return document


def _keep_jobs_in(folder: Path, document: dict[str, object]) -> None:
    """Nobody else's jobs are worked on while something is measured."""
    jobs = document["applications"][0]["args"].get("jobs")  # type: ignore[index]
    if jobs is not None:
        jobs["database_url"] = f"sqlite+aiosqlite:///{folder / 'jobs.sqlite3'}"
        jobs["audio_url"] = str(folder / "audio")


def require_ready(url: str) -> None:
    """
    Raises:
        BenchError: nobody answers there, or not as a server that could be measured.
    """
    try:
        urllib.request.urlopen(f"{url}/ready", timeout=10).close()
    except (OSError, ValueError) as error:
        raise BenchError(f"{url}/ready: {error}; is the server running, and ready?") from error


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log_path: Path) -> None:
    give_up_at = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/ready", timeout=10) as response:
                if response.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(_POLL_S)
    tail = "\n".join(log_path.read_text().splitlines()[-_LOG_LINES:])
    raise BenchError(f"the server did not become ready:\n{tail}")


def free_port() -> int:
    """One of this machine's own, on which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
