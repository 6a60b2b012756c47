"""Keys through the real graph: two ingresses, one ledger for both, and what is without it."""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
import yaml
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from serve_app.deployments.ledger import APART_S
from tests.graph.conftest import ROOT, free_port
from tests.graph.recordings import noise_wav
from tests.graph.test_stopping import start
from tests.ingress.auth import ALICE, BOB, bearer, keys_file

CARL = "chorus_carl"


@dataclass(frozen=True)
class Closed:
    """A server of its own process that asks for keys."""

    address: str
    process: psutil.Process

    def get(self, path: str, key: str | None = None) -> httpx.Response:
        """Each by a connection of its own, so that the proxy chooses an ingress anew."""
        return httpx.get(self.address + path, headers=bearer(key) if key else {}, timeout=30)

    def replicas(self, deployment: str) -> list[psutil.Process]:
        title = f"ray::ServeReplica:chorus:{deployment}"
        children = self.process.children(recursive=True)
        return [child for child in children if title in " ".join(child.cmdline())]

    def audits(self) -> list[Path]:
        files = [file for each in self.replicas("Ingress") for file in each.open_files()]
        return [Path(file.path) for file in files if Path(file.path).name.startswith("audit_")]


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Closed]:
    folder = tmp_path_factory.mktemp("closed")
    document = yaml.safe_load((ROOT / "configs/simulated.yaml").read_text())
    application = document["applications"][0]
    limits = {"alice": {}, "bob": {"requests_per_minute": 6}, "carl": {"audio_s_per_day": 4}}
    application["args"]["auth"] = {"keys_file": keys_file(folder, **limits)}
    application["deployments"][0]["num_replicas"] = 2
    path = folder / "closed.yaml"
    path.write_text(yaml.safe_dump(document))
    shutil.copy(ROOT / "configs/ray.env", folder)
    ports = {"http": free_port(), "metrics": free_port()}
    server = start(path, ports)
    assert server.stdout is not None
    for line in server.stdout:
        if line.startswith("chorus is ready"):
            break
    site = Closed(f"http://127.0.0.1:{ports['http']}", psutil.Process(server.pid))
    # An ingress whose first question took too long, on a busy machine, asks again after this.
    until = time.monotonic() + 1.5 * APART_S
    while time.monotonic() < until:
        site.get("/v1/models", ALICE)
    yield site
    server.send_signal(signal.SIGTERM)
    server.communicate(timeout=120)


def test_only_who_has_a_key_comes_in(closed: Closed) -> None:
    assert closed.get("/ready").status_code == 200
    refused = closed.get("/v1/models")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert closed.get("/v1/models", ALICE).status_code == 200


def test_a_handshake_without_a_key_is_denied_through_the_proxy(closed: Closed) -> None:
    address = closed.address.replace("http:", "ws:")
    with pytest.raises(InvalidStatus) as caught:
        connect(f"{address}/v1/realtime", proxy=None)
    assert caught.value.response.status_code == 401
    assert json.loads(caught.value.response.body)["error"]["code"] == "invalid_api_key"
    with pytest.raises(InvalidStatus) as caught:
        connect(f"{address}/v1/realtime", proxy=None, origin="https://evil.example")
    assert caught.value.response.status_code == 403


def test_a_limit_holds_for_both_ingresses_together(closed: Closed) -> None:
    statuses = [closed.get("/v1/models", BOB).status_code for _ in range(20)]
    # One more comes in for each ten seconds that this takes.
    assert 6 <= statuses.count(200) <= 8
    assert set(statuses) == {200, 429}
    assert len(closed.audits()) == 2, "both ingresses took part"


def test_audio_is_charged_for_both_ingresses_together(closed: Closed) -> None:
    def status() -> int:
        upload = {"file": noise_wav(2.0)}
        url = f"{closed.address}/v1/audio/transcriptions"
        return httpx.post(url, files=upload, headers=bearer(CARL), timeout=60).status_code

    statuses = [status() for _ in range(10)]
    assert statuses[:2] == [200, 200]
    assert 429 in statuses[2:4]
    assert set(statuses[4:]) == {429}


def test_each_request_has_its_line_and_none_has_a_key(closed: Closed) -> None:
    text = "".join(path.read_text() for path in closed.audits())
    lines = [json.loads(line) for line in text.splitlines()]
    assert {line["key"] for line in lines} == {None, "alice", "bob", "carl"}
    assert {line["client"] for line in lines} == {"127.0.0.1"}
    assert sum(line["audio_s"] for line in lines) >= 4.0
    assert not any(key in text for key in (ALICE, BOB, CARL))


def test_a_lost_ledger_costs_nobody_an_answer(closed: Closed) -> None:
    (ledger,) = closed.replicas("Ledger")
    os.kill(ledger.pid, signal.SIGKILL)
    statuses = [closed.get("/v1/models", ALICE).status_code for _ in range(10)]
    assert statuses == [200] * 10
