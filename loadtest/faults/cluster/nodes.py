"""One Ray node in a host of its own: started as `ray start` does, lost as a power cut does."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from loadtest.faults.cluster.network import Host

GCS_PORT, DASHBOARD_PORT, METRICS_PORT = 6379, 8265, 8090
_OBJECT_STORE_BYTES = 200_000_000
_LOGICAL_CPUS = 3
_END_WITHIN_S = 20.0
_NAME = re.compile(r"ray::ServeReplica:chorus:(?P<name>[^:]+?)(\.(?!init|__init)[a-z]\w+)?")


@dataclass(eq=False)
class Node:
    """The head, where it has no `head`; else a worker."""

    host: Host
    folder: Path
    environment: Mapping[str, str]
    resources: Mapping[str, float]
    head: "Node | None" = None
    process: "subprocess.Popen[bytes] | None" = None
    started: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.host.name

    @property
    def gcs(self) -> str:
        return f"{self.host.address}:{GCS_PORT}"

    def start(self) -> None:
        """Begin to; it joins the cluster some seconds later."""
        log = (self.folder / f"{self.name}.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                self.host.command(sys.executable, "-m", "ray.scripts.scripts", *self._command()),
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self.started.append(time.monotonic())

    @property
    def _room(self) -> Path:
        """Of this start: a node that comes back finds nothing of before, as a pod does not."""
        return self.folder / f"{self.name}-{len(self.started)}"

    def _command(self) -> list[str]:
        words = ["start", "--block", "--disable-usage-stats", "--include-log-monitor=false"]
        words += [f"--node-ip-address={self.host.address}", f"--temp-dir={self._room}"]
        words += [f"--object-store-memory={_OBJECT_STORE_BYTES}"]
        words += [f"--metrics-export-port={METRICS_PORT}"]
        if self.head is not None:
            words += [f"--address={self.head.gcs}", f"--num-cpus={_LOGICAL_CPUS}"]
            return [*words, f"--resources={json.dumps(dict(self.resources))}"]
        words += ["--head", f"--port={GCS_PORT}", "--num-cpus=0", "--dashboard-host=0.0.0.0"]
        return [*words, f"--dashboard-port={DASHBOARD_PORT}", "--ray-client-server-port=10001"]

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def processes(self) -> list[psutil.Process]:
        found = []
        for pid in self.host.pids():
            with suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(pid))
        return found

    def found(self, title: str) -> list[psutil.Process]:
        """Its processes with that in their command lines."""
        return [each for each in self.processes() if title in line_of(each)]

    def replicas(self, deployment: str = "") -> list[tuple[str, psutil.Process]]:
        """Those that are up, of one deployment or of all, each with its deployment's name. Ray has
        it in their titles, with the call that is under way behind it."""
        lines = [(line_of(each).split(" ")[0], each) for each in self.processes()]
        named = [(_NAME.fullmatch(line), each) for line, each in lines if line]
        found = [(match["name"], each) for match, each in named if match is not None]
        return [(name, each) for name, each in found if deployment in ("", name)]

    def kill(self) -> None:
        """SIGKILL for each of its processes, until none is left."""
        give_up_at = time.monotonic() + _END_WITHIN_S
        while pids := self.host.pids():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if self.process is not None:
                self.process.poll()
            assert time.monotonic() < give_up_at, pids
        if self.process is not None:
            self.process.wait()
            self.process = None


def line_of(process: psutil.Process) -> str:
    """Its command line; empty once it is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
