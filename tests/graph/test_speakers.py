"""Speakers through the real graph: NeMo in two replicas, each recording with one of them."""

import json
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import pytest
import yaml

from tests.graph.conftest import ROOT, SLOW, eventually, free_port
from tests.graph.recordings import speech_wav
from tests.graph.test_stopping import start
from tests.models.random_sortformer import build

ROUTE = "/v1/audio/transcriptions"


class Site:
    """A server of its own process, whose speakers are told apart by random weights."""

    def __init__(self, address: str, process: psutil.Process) -> None:
        self.address = address
        self.process = process

    def form(self, audio: bytes, **fields: str) -> dict[str, Any]:
        return {"files": {"file": ("a.wav", audio)}, "data": fields, "timeout": 60}

    def segments(self, audio: bytes) -> list[dict[str, Any]]:
        form = self.form(audio, response_format="diarized_json")
        answer = httpx.post(self.address + ROUTE, **form)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["segments"])

    def replicas(self) -> list[psutil.Process]:
        title = "ray::ServeReplica:chorus:speakers"
        children = self.process.children(recursive=True)
        return [child for child in children if title in " ".join(child.cmdline())]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("speakers")
    build().save_to(str(folder / "random.nemo"))
    speakers = {"name": "speakers", "kind": "sortformer", "checkpoint": str(folder / "random.nemo")}
    document = yaml.safe_load((ROOT / "configs/simulated.yaml").read_text())
    application = document["applications"][0]
    application["args"]["models"] = [SLOW, speakers]
    application["deployments"] = [
        *application["deployments"][:2],
        {"name": "speakers", "num_replicas": 2, "ray_actor_options": {"num_cpus": 0.1}},
    ]
    path = folder / "speakers.yaml"
    path.write_text(yaml.safe_dump(document))
    shutil.copy(ROOT / "configs/ray.env", folder)
    ports = {"http": free_port(), "metrics": free_port()}
    server = start(path, ports)
    assert server.stdout is not None
    for line in server.stdout:
        if line.startswith("chorus is ready"):
            break
    yield Site(f"http://127.0.0.1:{ports['http']}", psutil.Process(server.pid))
    server.send_signal(signal.SIGTERM)
    server.communicate(timeout=120)


def test_recordings_have_the_same_speakers_alone_and_side_by_side(site: Site) -> None:
    clips = [speech_wav(7.0), speech_wav(9.5)]
    alone = [site.segments(clip) for clip in clips]
    assert all(segment["speaker"] in "ABCD" for segments in alone for segment in segments)
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(site.segments, clips * 3))
    assert together == alone * 3
    plain = httpx.post(site.address + ROUTE, **site.form(clips[0])).json()
    assert plain["text"] == " ".join(segment["text"] for segment in alone[0])


def test_recordings_end_when_who_listened_dies_and_the_next_are_heard(site: Site) -> None:
    form = site.form(speech_wav(300.0), response_format="diarized_json", stream="true")
    kinds, said = [], {}
    with httpx.stream("POST", site.address + ROUTE, **form) as events:
        for line in events.iter_lines():
            if not line.startswith("data:"):
                continue
            said = json.loads(line.removeprefix("data:"))
            kinds.append(said["type"])
            if len(kinds) == 2:
                for replica in site.replicas():
                    replica.kill()
    assert set(kinds[:-1]) == {"transcript.text.delta", "transcript.text.segment"}
    assert (kinds[-1], said["error"]["code"]) == ("error", "model_unavailable")
    assert site.segments(speech_wav(3.0))
    eventually(lambda: httpx.get(f"{site.address}/ready").status_code == 200)
