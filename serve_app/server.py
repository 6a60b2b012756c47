"""One node: Ray, Serve and the application of one config file, for as long as somebody wants it.

A cluster is started by its own means (`ray start`, KubeRay) and takes the same file.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from serve_app.errors import ConfigError

if TYPE_CHECKING:
    from ray.serve.schema import ApplicationStatusOverview, ServeDeploySchema

    from serve_app.config import ServerConfig

FLAGS_FILE = "ray.env"
"""Beside a config file: what every Ray process of the node finds in its environment."""

PROXY_GUARD = ("RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH", "serve_app.proxy:guard")
"""Set without a `FLAGS_FILE`, too: no server of ours goes without it."""

_DEPLOY_TIMEOUT_S = 1800.0
"""A first start may have to fetch gigabytes from a hub."""


def run(path: Path, *, host: str | None = None, port: int | None = None) -> None:
    """Serve `path` in the foreground until SIGINT or SIGTERM.

    Raises:
        ConfigError: the file is wrong, or the application did not come up; then why.
    """
    stopping = threading.Event()
    with running(path, host=host, port=port, stopping=stopping, tell=_tell) as address:
        if not stopping.is_set():
            _tell(f"chorus is ready on {address} (documentation: {address}/docs)")
        stopping.wait()
        _tell("chorus is stopping: requests under way are finished first")


@contextmanager
def running(
    path: Path,
    *,
    host: str | None = None,
    port: int | None = None,
    stopping: threading.Event | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[str]:
    """Start a Ray instance of our own, deploy `path` on it, and give the server's address.

    Leaving stops it: new requests are refused, those under way are answered first. SIGINT and
    SIGTERM set `stopping`, where it is given.

    Raises:
        ConfigError: as `run`.
    """
    schema, config = _loaded(path)
    schema.http_options.host = host or schema.http_options.host
    schema.http_options.port = port or schema.http_options.port
    _require_free(schema.http_options.host, schema.http_options.port, "http_options.port")
    _require_free("", config.metrics_port, "metrics_port (or CHORUS_METRICS_PORT)")
    from serve_app.models.loader import licence_lines

    for line in licence_lines(config.models):
        tell(line)
    from serve_app.serve_config.auth import access_lines

    for line in access_lines(config.auth, schema.http_options.host):
        tell(line)
    import ray
    from ray import serve

    _start_ray(config.metrics_port, stopping)
    try:
        serve.start(
            http_options=schema.http_options.model_dump(), logging_config=schema.logging_config
        )
        is_stopping = (stopping or threading.Event()).is_set
        deploy(schema, is_stopping=is_stopping, tell=tell)
        is_up = not is_stopping()
        yield f"http://{schema.http_options.host}:{schema.http_options.port}"
        if is_up:
            _drain(schema, tell)
    finally:
        serve.shutdown()  # type: ignore[no-untyped-call]  # Ray's
        ray.shutdown()


def _start_ray(metrics_port: int, stopping: threading.Event | None) -> None:
    import ray

    ray.init(
        address="local",
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _metrics_export_port=metrics_port,
    )
    if stopping is not None:
        for number in (signal.SIGINT, signal.SIGTERM):  # only now: ray.init sets its own
            signal.signal(number, lambda number, _: _stop(number, stopping))


def deploy(
    schema: ServeDeploySchema,
    *,
    is_stopping: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Hand the application to the running Serve and wait until all of it is up.

    Raises:
        ConfigError: it failed, or took longer than `_DEPLOY_TIMEOUT_S`.
    """
    from ray import serve
    from ray.serve.context import _get_global_client

    name = schema.applications[0].name
    client = _get_global_client()
    assert client is not None, "Serve is not running"
    client.deploy_apps(schema)
    give_up_at = time.monotonic() + _DEPLOY_TIMEOUT_S
    told = ""
    while not is_stopping():
        status = serve.status().applications.get(name)
        if status is not None and status.status == "RUNNING":
            return
        if status is not None and (
            _our_errors(status) or status.status in {"DEPLOY_FAILED", "UNHEALTHY"}
        ):
            raise ConfigError(name, _why(status))
        if time.monotonic() > give_up_at:
            raise ConfigError(name, f"not up after {_DEPLOY_TIMEOUT_S:g} s")
        waiting = ", ".join(_not_healthy(status)) if status is not None else ""
        if waiting and waiting != told:
            tell(f"starting: {waiting}")
            told = waiting
        time.sleep(0.2)


def _loaded(path: Path) -> tuple[ServeDeploySchema, ServerConfig]:
    flags = path.with_name(FLAGS_FILE)
    if path.is_file() and not flags.is_file():
        _tell(f"there is no {flags}: Ray runs by its own settings; copy configs/{FLAGS_FILE} there")
    for name, value in flags_in(flags).items():
        os.environ.setdefault(name, value)
    os.environ.setdefault(*PROXY_GUARD)
    from serve_app import serve_config  # it brings Ray in, which reads the flags at its import

    schema = serve_config.load(path)
    return schema, serve_config.server_config(schema)


def _stop(number: int, stopping: threading.Event) -> None:
    """The first signal asks; a second one does not wait for requests under way."""
    stopping.set()
    signal.signal(number, signal.default_int_handler)


def _drain(schema: ServeDeploySchema, tell: Callable[[str], None]) -> None:
    """Wait until the ingress has answered what is under way, for a while at most."""
    from serve_app.ingress.deployment import DRAIN_TIMEOUT_S

    give_up_at = time.monotonic() + DRAIN_TIMEOUT_S + 10.0
    try:
        deploy(_draining(schema), is_stopping=lambda: time.monotonic() > give_up_at)
    except ConfigError as error:
        tell(f"requests under way may be cut off: {error}")


def _draining(schema: ServeDeploySchema) -> ServeDeploySchema:
    """`schema`, with an ingress that finishes what is under way and takes nothing new."""
    document = schema.model_dump(exclude_unset=True)
    deployments = document["applications"][0].setdefault("deployments", [])
    named = [deployment for deployment in deployments if deployment["name"] == "Ingress"]
    ingress = named[0] if named else {"name": "Ingress"}
    if not named:
        deployments.append(ingress)
    ingress["user_config"] = {"draining": True}
    return type(schema).model_validate(document)


def _require_free(host: str, port: int, setting: str) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise ConfigError(setting, f"port {port} is in use: {error.strerror}") from error


def _tell(line: str) -> None:
    print(line, flush=True)


def flags_in(path: Path) -> dict[str, str]:
    """`NAME=value` lines; blank lines and comments are passed over."""
    lines = path.read_text().splitlines() if path.is_file() else []
    pairs = (line.partition("=") for line in lines if line.strip() and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def _not_healthy(status: ApplicationStatusOverview) -> list[str]:
    return [name for name, state in status.deployments.items() if state.status != "HEALTHY"]


def _why(status: ApplicationStatusOverview) -> str:
    """What went wrong, in one line where the error is one of ours, else with its trace."""
    return "; ".join(_our_errors(status)) or f"{status.status.value}: {_messages(status)}"


def _our_errors(status: ApplicationStatusOverview) -> list[str]:
    """Configurations that a replica refused; trying again, as Serve does, would not help."""
    name = re.escape(f"{ConfigError.__module__}.{ConfigError.__name__}")
    return list(dict.fromkeys(re.findall(f"{name}: (.+)", _messages(status))))


def _messages(status: ApplicationStatusOverview) -> str:
    messages = [status.message, *(state.message for state in status.deployments.values())]
    return "\n".join(message for message in messages if message)
