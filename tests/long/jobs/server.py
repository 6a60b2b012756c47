"""A server with jobs, in processes of its own: started, killed as by a power cut, started again."""

import asyncio
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from tests.graph.conftest import ROOT, free_port
from tests.jobs.test_callbacks import SECRET

MIB = 1 << 20
_READY = "chorus is ready"
_END_WITHIN_S = 30.0


@dataclass
class JobsServer:
    """`chorus serve` of one configuration file."""

    config: Path
    port: int = field(default_factory=free_port)
    metrics_port: int = field(default_factory=free_port)
    process: "subprocess.Popen[str] | None" = None
    _listener: threading.Thread = field(default_factory=threading.Thread)

    @property
    def log(self) -> Path:
        return self.config.with_suffix(".log")

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def command(self) -> list[str]:
        """What Python is to run."""
        return ["-m", "serve_app.cli", "serve", str(self.config), "--port", str(self.port)]

    async def start(self) -> None:
        """Return when it is ready."""
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.long.jobs.family", sys.executable, *self.command],
            env={
                **os.environ,
                "CHORUS_METRICS_PORT": str(self.metrics_port),
                "CHORUS_CALLBACK_SECRET": SECRET,
                "RAY_metrics_report_interval_ms": "500",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )
        is_up = threading.Event()
        self._listener = threading.Thread(target=self._listen, args=(self.process, is_up))
        self._listener.start()
        is_up.wait()
        assert self.process.poll() is None, self.log.read_text()

    def _listen(self, process: "subprocess.Popen[str]", is_up: threading.Event) -> None:
        """Write down what it says, until it is gone."""
        assert process.stdout is not None
        with self.log.open("a") as log, process.stdout:
            for line in process.stdout:
                log.write(line)
                log.flush()
                if line.startswith(_READY):
                    is_up.set()
        process.wait()
        is_up.set()

    def family(self) -> list[psutil.Process]:
        """All of its processes: head, raylet, proxy, replicas, decoders."""
        if self.process is None:
            return []
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []

    def kill(self) -> list[str]:
        """SIGKILL for each of its processes, until none is left; what they were."""
        assert self.process is not None
        lines: dict[int, str] = {}
        give_up_at = time.monotonic() + _END_WITHIN_S
        while self.process.poll() is None:
            found = self.family()
            lines.update({each.pid: line for each in found if (line := _line(each))})
            for each in found:
                with suppress(psutil.NoSuchProcess):
                    each.kill()
            assert time.monotonic() < give_up_at, self.family()
        self._listener.join()
        self.process = None
        return list(lines.values())

    def found(self, title: str) -> list[psutil.Process]:
        """Its processes with that in their command lines."""
        return [each for each in self.family() if title in _line(each)]

    def replica(self, deployment: str) -> psutil.Process:
        (process,) = self.found(f"ray::ServeReplica:chorus:{deployment}")
        return process

    def proxy(self) -> psutil.Process:
        (process,) = self.found("ray::ProxyActor")
        return process


def _line(process: psutil.Process) -> str:
    """Its command line; empty once it is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def configuration(
    folder: Path, models: list[dict[str, Any]], jobs: dict[str, Any], **args: Any
) -> Path:
    """A file of `configs/simulated.yaml`'s server with these models and these jobs."""
    document = yaml.safe_load((ROOT / "configs/simulated.yaml").read_text())
    application = document["applications"][0]
    application["args"] = {"models": models, "jobs": jobs, **args}
    application["deployments"] = application["deployments"][:2] + [
        {
            "name": model["name"],
            "num_replicas": 1,
            "max_ongoing_requests": 64,
            "ray_actor_options": {"num_cpus": 0.1},
        }
        for model in models
    ]
    path = folder / "jobs.yaml"
    path.write_text(yaml.safe_dump(document))
    shutil.copy(ROOT / "configs/ray.env", folder)
    return path


@asynccontextmanager
async def serving(config: Path) -> AsyncIterator[tuple[JobsServer, httpx.AsyncClient]]:
    """A server that is ready, and a client of it; nothing of it is left afterwards."""
    server = JobsServer(config)
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(base_url=server.address, timeout=120, limits=limits) as http:
        try:
            await server.start()
            yield server, http
        finally:
            if server.process is not None:
                server.kill()


def own_mib(process: psutil.Process) -> float:
    """Its memory, without what it shares with others."""
    return float(process.memory_full_info().uss) / MIB
