"""A server of its own process: how it starts, what stops it, and what is left behind."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
import torch
import yaml

from tests.graph.conftest import ROOT, SLOW, free_port
from tests.graph.recordings import speech_wav

START_TIMEOUT_S = 90


@pytest.fixture
def slow_config(tmp_path: Path) -> Path:
    """The simulated config with a model that takes half a second for each two seconds."""
    document = yaml.safe_load((ROOT / "configs/simulated.yaml").read_text())
    application = document["applications"][0]
    application["args"]["models"] = [SLOW]
    application["deployments"] = application["deployments"][:2]
    path = tmp_path / "slow.yaml"
    path.write_text(yaml.safe_dump(document))
    shutil.copy(ROOT / "configs/ray.env", tmp_path)
    return path


@pytest.fixture
def ports() -> dict[str, int]:
    return {"http": free_port(), "metrics": free_port()}


@pytest.fixture
def process(slow_config: Path, ports: dict[str, int]) -> Iterator[subprocess.Popen[str]]:
    """A server that has said that it is ready."""
    server = start(slow_config, ports)
    assert server.stdout is not None
    for line in server.stdout:
        if line.startswith("chorus is ready"):
            break
    yield server
    server.kill()
    server.wait()


def start(config: Path, ports: dict[str, int]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "serve_app.cli", "serve", str(config), "--port", str(ports["http"])],
        env={**os.environ, "CHORUS_METRICS_PORT": str(ports["metrics"])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )


def test_sigterm_finishes_what_is_under_way_and_leaves_nothing_behind(
    process: subprocess.Popen[str], ports: dict[str, int]
) -> None:
    url = f"http://127.0.0.1:{ports['http']}"
    family = psutil.Process(process.pid).children(recursive=True)
    with ThreadPoolExecutor(4) as clients:
        upload = {"file": speech_wav(20.0)}
        answers = [
            clients.submit(httpx.post, f"{url}/v1/audio/transcriptions", files=upload, timeout=90)
            for _ in range(3)
        ]
        with httpx.stream(
            "POST",
            f"{url}/v1/audio/transcriptions",
            files=upload,
            data={"stream": "true"},
            timeout=90,
        ) as last:
            lines = last.iter_lines()
            assert "delta" in next(lines)  # so the others are under way as well
            process.send_signal(signal.SIGTERM)
            assert any("[DONE]" in line for line in lines)
        for answer in answers:
            assert answer.result().status_code == 200
    assert process.wait(timeout=60) == 0
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []
    for port in ports.values():
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))


def test_a_port_in_use_is_said_at_once(slow_config: Path, ports: dict[str, int]) -> None:
    for name in ports:
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", ports[name]))
            holder.listen()
            server = start(slow_config, ports)
            told, _ = server.communicate(timeout=START_TIMEOUT_S)
        assert server.returncode == 1
        assert f"port {ports[name]} is in use" in told
        assert "Traceback" not in told


def test_a_checkpoint_that_is_none_is_said_in_one_line(
    slow_config: Path, ports: dict[str, int], tmp_path: Path
) -> None:
    """One that `chorus check` has nothing against: only NeMo finds that it lacks a model."""
    checkpoint, weights = tmp_path / "broken.nemo", tmp_path / "weights"
    torch.save({}, weights)
    with tarfile.open(checkpoint, "w") as archive:
        archive.add(slow_config, "model_config.yaml")
        archive.add(weights, "model_weights.ckpt")
    document = yaml.safe_load(slow_config.read_text())
    model = {"name": "slow", "kind": "parakeet", "checkpoint": str(checkpoint)}
    document["applications"][0]["args"]["models"] = [model]
    slow_config.write_text(yaml.safe_dump(document))
    server = start(slow_config, ports)
    told, _ = server.communicate(timeout=200)
    assert server.returncode == 1
    assert "models.slow.checkpoint" in told
    assert str(checkpoint) in told
    assert "Traceback" not in told
