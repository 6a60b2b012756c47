"""One Ray instance for all tests of this folder: `configs/tiny.yaml` and a slow simulated model."""

import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import openai
import psutil
import pytest
import yaml

from serve_app import serve_config, server
from serve_app.deployments.scaling import AUDIO_POLICY, SLOTS_POLICY

ROOT = Path(__file__).parents[2]
SLOW = {
    "name": "slow",
    "kind": "simulated",
    "max_chunk_s": 2.0,
    "batch": {"max_batch_size": 1, "max_batches_held": 16, "max_queued_audio_s": 60},
    "simulated": {"fixed_s": 0.5, "per_audio_s": 0.0},
}
"""Half a second for each chunk of two: what it still works on can be told from outside."""
CHOIR = {
    "name": "choir",
    "kind": "simulated",
    "streaming": {"num_slots": 8, "max_segment_s": 2.0, "stall_s": 5.0},
}
"""Two replicas for live streams, in segments short enough to move often."""
ASLEEP = {"name": "asleep", "kind": "simulated", "streaming": {"num_slots": 2}}
"""Scaled to zero while nobody streams, and up to two replicas of two slots."""
DOZING = {
    "name": "dozing",
    "kind": "simulated",
    "max_chunk_s": 2.0,
    "batch": {"max_batch_audio_s": 4.0},
    "simulated": {"fixed_s": 0.1, "per_audio_s": 0.2},
}
"""Scaled to zero while nobody asks, and up to two replicas of some four audio seconds a second."""
FROM_ZERO = {
    "min_replicas": 0,
    "initial_replicas": 0,
    "max_replicas": 2,
    "metrics_interval_s": 0.5,
    "look_back_period_s": 2.0,
    "upscale_delay_s": 0.5,
    "downscale_delay_s": 3.0,
}
STREAMING_DEPLOYMENTS = [
    {"name": "choir", "num_replicas": 2, "ray_actor_options": {"num_cpus": 0.05}},
    {
        "name": "asleep",
        "ray_actor_options": {"num_cpus": 0.05},
        "autoscaling_config": {**FROM_ZERO, "policy": {"policy_function": SLOTS_POLICY}},
    },
    {
        "name": "dozing",
        "ray_actor_options": {"num_cpus": 0.01},
        "autoscaling_config": {**FROM_ZERO, "policy": {"policy_function": AUDIO_POLICY}},
    },
]


@dataclass(frozen=True)
class Server:
    """A running server, as its clients see it and as its operator can hurt it."""

    address: str
    config: Path

    @property
    def openai(self) -> openai.OpenAI:
        return openai.OpenAI(
            base_url=f"{self.address}/v1", api_key="none", max_retries=0, timeout=120
        )

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.address + path, timeout=30)

    def replica(self, deployment: str) -> psutil.Process:
        """The process of a deployment's replica; Ray names it in its title."""
        return next(iter(self.replicas(deployment)))

    def replicas(self, deployment: str) -> list[psutil.Process]:
        title = f"ray::ServeReplica:chorus:{deployment}"
        mine = psutil.Process().children(recursive=True)
        return [process for process in mine if title in _command(process)]

    def scale(self, deployment: str, num_replicas: int) -> None:
        """Have so many replicas of it, as `serve deploy` would."""
        document = yaml.safe_load(self.config.read_text())
        for entry in document["applications"][0]["deployments"]:
            if entry["name"] == deployment:
                entry["num_replicas"] = num_replicas
        self.config.write_text(yaml.safe_dump(document))
        server.deploy(serve_config.load(self.config))

    def redeploy(self, user_config: dict[str, object]) -> None:
        """Give the slow model another `user_config`, as `serve deploy` would."""
        document = yaml.safe_load(self.config.read_text())
        document["applications"][0]["deployments"][-1]["user_config"] = user_config
        self.config.write_text(yaml.safe_dump(document))
        server.deploy(serve_config.load(self.config))

    def kill(self, deployment: str) -> int:
        process = self.replica(deployment)
        os.kill(process.pid, signal.SIGKILL)
        return process.pid


def _command(process: psutil.Process) -> str:
    """Empty of a process that is gone meanwhile."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def eventually(condition: Callable[[], bool], *, within_s: float = 30.0) -> None:
    """Ask until it is so; each asking takes its time."""
    give_up_at = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < give_up_at


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("configs")
    document = yaml.safe_load((ROOT / "configs/tiny.yaml").read_text())
    application = document["applications"][0]
    application["args"]["models"] += [CHOIR, ASLEEP, DOZING, SLOW]
    application["args"]["metrics_port"] = free_port()
    application["deployments"] += STREAMING_DEPLOYMENTS
    application["deployments"].append(
        {"name": "slow", "max_ongoing_requests": 64, "ray_actor_options": {"num_cpus": 0.1}}
    )
    path = folder / "graph.yaml"
    path.write_text(yaml.safe_dump(document))
    shutil.copy(ROOT / "configs/ray.env", folder)
    os.environ["RAY_metrics_report_interval_ms"] = "500"  # noqa: SIM112  # as Ray spells it
    with server.running(path, port=free_port()) as address:
        yield Server(address, path)
