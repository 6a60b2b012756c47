"""A folder in; a server of the tiny models in it, with jobs and keys, and a Prometheus that scrapes
it, out."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from loadtest.bench.server import free_port
from serve_app.ingress.auth.keys import sha256_of

ROOT = Path(__file__).resolve().parents[2]
KEY = "chorus_watcher"
POOR_KEY = "chorus_poor"
"""Of one request a minute."""
SCRAPE_EVERY_S = 2
_UNPACKED = ROOT / "build/prometheus/usr/bin"
_START_TIMEOUT_S = 300.0
_STOP_TIMEOUT_S = 120.0


class WatchError(Exception):
    """What was to be watched is not there."""


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    metrics_url: str
    process: psutil.Process
    folder: Path
    """Its configuration, its jobs, and under `ray` the logs of all its processes."""

    def process_of(self, title: str) -> psutil.Process | None:
        """The first of its own that is so called."""
        return next(iter(self.processes_of(title)), None)

    def processes_of(self, title: str) -> list[psutil.Process]:
        """All of its own that are so called."""
        found = []
        for child in self.process.children(recursive=True):
            with suppress(psutil.Error):
                if title in " ".join(child.cmdline()):
                    found.append(child)
        return found


def config_of(folder: Path) -> Path:
    """`configs/tiny.yaml` with few slots and places, so that a small load fills them and makes it
    scale, and keys."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "configs/tiny.yaml").read_text())
    application = document["applications"][0]
    settings = application["args"]
    keys = [
        {"name": "watcher", "sha256": sha256_of(KEY)},
        {"name": "poor", "sha256": sha256_of(POOR_KEY), "requests_per_minute": 1},
    ]
    (folder / "keys.yaml").write_text(yaml.safe_dump({"keys": keys}))
    settings["auth"] = {"keys_file": str(folder / "keys.yaml")}
    settings["limits"] = {"max_concurrent_requests": 24}
    for model in settings["models"]:
        if "streaming" in model:
            model["streaming"]["num_slots"] = 4
    for deployment in application["deployments"]:
        deployment.get("autoscaling_config", {}).update(upscale_delay_s=2, downscale_delay_s=20)
    settings["jobs"] |= {
        "database_url": f"sqlite+aiosqlite:///{folder / 'jobs.sqlite3'}",
        "audio_url": str(folder / "audio"),
        "max_concurrent": 1,
    }
    path = folder / "watched.yaml"
    path.write_text(yaml.safe_dump(document))
    shutil.copy(ROOT / "configs/ray.env", folder)
    return path


@contextmanager
def watched_server(folder: Path, environ: Mapping[str, str] | None = None) -> Iterator[Server]:
    """`folder` has a short name, since sockets lie in it.

    Raises:
        WatchError: it did not become ready; with the end of its log.
    """
    config, log_path = config_of(folder), folder / "log"
    port, metrics_port = free_port(), free_port()
    with log_path.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "serve_app.cli", "serve", str(config), "--port", str(port)],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={
                **{name: each for name, each in os.environ.items() if not name.startswith("OTEL_")},
                "CHORUS_METRICS_PORT": str(metrics_port),
                "RAY_TMPDIR": str(folder / "ray"),
                "RAY_metrics_report_interval_ms": "1000",
                **(environ or {}),
            },
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/ready", process, log_path)
        metrics_url = f"http://127.0.0.1:{metrics_port}/metrics"
        yield Server(url, metrics_url, psutil.Process(process.pid), folder)
    finally:
        _end(process, _STOP_TIMEOUT_S)


def program(name: str) -> str:
    """`prometheus` or `promtool`, wherever `make prometheus` has it.

    Raises:
        WatchError: it is not there.
    """
    found = shutil.which(name) or shutil.which(name, path=str(_UNPACKED))
    if found is None:
        raise WatchError(f"there is no {name}: make prometheus")
    return found


@dataclass(frozen=True, slots=True)
class Prometheus:
    url: str

    def instant(self, query: str) -> list[dict[str, Any]]:
        """A series of each that the query has now. Raises `WatchError` for one that is wrong."""
        found: list[dict[str, Any]] = self._get("query", {"query": query})["result"]
        return found

    def over(
        self, query: str, start: float, end: float, step_s: float = SCRAPE_EVERY_S
    ) -> list[dict[str, Any]]:
        """Between two times of day."""
        asked = {"query": query, "start": str(start), "end": str(end), "step": str(step_s)}
        found: list[dict[str, Any]] = self._get("query_range", asked)["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Those that it evaluates, with their health."""
        return [rule for group in self._get("rules", {})["groups"] for rule in group["rules"]]

    def _get(self, path: str, asked: Mapping[str, str]) -> Any:
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(asked)}"
        try:
            with urllib.request.urlopen(address, timeout=30) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            raise WatchError(f"{asked.get('query')}: {json.load(error)['error']}") from error


@contextmanager
def prometheus(server: Server, rules: Path) -> Iterator[Prometheus]:
    """One that scrapes the server's exporter every `SCRAPE_EVERY_S`, and evaluates `rules`.

    Raises:
        WatchError: there is none, or it does not start.
    """
    target = urllib.parse.urlsplit(server.metrics_url).netloc
    config = server.folder / "prometheus.yml"
    every = f"{SCRAPE_EVERY_S}s"
    config.write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": every, "evaluation_interval": every},
                "rule_files": [str(rules)],
                "scrape_configs": [
                    {"job_name": "chorus", "static_configs": [{"targets": [target]}]}
                ],
            }
        )
    )
    port, log_path = free_port(), server.folder / "prometheus.log"
    with log_path.open("w") as log:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={server.folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/-/ready", process, log_path)
        yield Prometheus(url)
    finally:
        _end(process, 30.0)


def _end(process: "subprocess.Popen[bytes]", within_s: float) -> None:
    """By its own means; what will not end is killed, with all that it has begun."""
    begun: list[psutil.Process] = []
    with suppress(psutil.Error):
        begun = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        for each in begun:
            with suppress(psutil.Error):
                each.kill()
        process.wait()


def _wait_for(url: str, process: "subprocess.Popen[bytes]", log_path: Path) -> None:
    give_up_at = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                if response.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    tail = "\n".join(log_path.read_text().splitlines()[-20:])
    raise WatchError(f"{url} did not become ready:\n{tail}")
