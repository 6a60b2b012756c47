"""`chorus drain`: a dashboard that says what is where, and a Ray that notes its orders."""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ray.core.generated import gcs_pb2
from ray.dashboard import optional_utils
from ray.dashboard.modules.node import datacenter, node_head
from ray.dashboard.utils import HTTPStatusCode
from ray.serve.schema import ServeInstanceDetails

from serve_app.cli import drain, main

OURS, THEIRS = "aa" * 28, "bb" * 28
BEFORE = "cc" * 28
"""A node of our pod that has died, and was started again."""
Scene = dict[str, Any] | int | str


def _actor(name: str, node: str) -> dict[str, Any]:
    return {"actor_name": name, "node_id": node}


def _details(*replicas: dict[str, Any], proxies: tuple[str, ...] = ()) -> dict[str, Any]:
    """As Serve tells them."""
    deployments = {"Ingress": {"replicas": list(replicas)}}
    return {
        "controller_info": _actor("controller", THEIRS),
        "applications": {"chorus": {"deployments": deployments}},
        "proxies": {node: _actor("proxy", node) for node in proxies},
    }


NO_CONTROLLER: Scene = ServeInstanceDetails.get_empty_schema_dict()


def _nodes(**named: str) -> dict[str, Any]:
    """As Ray tells them."""
    told = [(BEFORE, "pod-a", "DEAD"), (THEIRS, "pod-b", "ALIVE")]
    told += [(node, instance.replace("_", "-"), "ALIVE") for instance, node in named.items()]
    summary = [
        {"raylet": {"nodeId": node, "instanceId": instance, "state": state}}
        for node, instance, state in told
    ]
    return {"data": {"summary": [*summary, {"raylet": {}}]}}


class Dashboard:
    """Answers with each of `scenes` once, with the last one for ever; who comes without the token
    is refused. A number is a status without an answer, a text one that is no JSON."""

    def __init__(self, scenes: list[Scene], nodes: list[Scene]) -> None:
        self.scenes = {"/api/serve/applications/": scenes, "/nodes": nodes}
        dashboard = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.headers["Authorization"] != "Bearer secret":
                    self.send_error(401)
                    return
                scenes = dashboard.scenes[self.path.partition("?")[0]]
                scene = scenes.pop(0) if len(scenes) > 1 else scenes[0]
                if isinstance(scene, int):
                    self.send_error(scene)
                    return
                self.send_response(200)
                self.end_headers()
                text = scene if isinstance(scene, str) else json.dumps(scene)
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the `ray` that stands in for Ray's own was told."""
    told = tmp_path / "orders"
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(drain, "_POLL_S", 0.01)
    monkeypatch.setattr(drain, "_FOUND_WITHIN_S", 0.0)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    monkeypatch.setenv("RAY_CLOUD_INSTANCE_ID", "pod-a")
    return told


@pytest.fixture
def served() -> Iterator[list[Dashboard]]:
    started: list[Dashboard] = []
    yield started
    for dashboard in started:
        dashboard.server.shutdown()
        dashboard.server.server_close()


def _drain(
    served: list[Dashboard], scenes: list[Scene], *more: str, nodes: list[Scene] | None = None
) -> int:
    served.append(Dashboard(scenes, nodes or [_nodes(pod_a=OURS)]))
    return main(["drain", "--dashboard", served[-1].url, "--address", "head:6379", *more])


def test_it_waits_for_the_replicas_and_then_for_the_proxy_of_its_node(
    orders: Path, served: list[Dashboard], capsys: pytest.CaptureFixture[str]
) -> None:
    there = _actor("ingress-2", THEIRS)
    starting = {"actor_name": "ingress-2"}
    scenes: list[Scene] = [
        _details(_actor("ingress-1", OURS), proxies=(OURS, THEIRS)),
        _details(starting, _actor("ingress-1", OURS), proxies=(OURS, THEIRS)),
        _details(_actor("ingress-1", OURS), there, proxies=(OURS, THEIRS)),
        _details(there, proxies=(OURS, THEIRS)),
        _details(there, proxies=(THEIRS,)),
    ]
    assert _drain(served, scenes) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == ["still here: ingress-1, proxy", "still here: proxy", "empty"]
    assert f"--node-id {OURS}" in orders.read_text()
    assert "--address head:6379" in orders.read_text()
    assert "--reason DRAIN_NODE_REASON_PREEMPTION" in orders.read_text()


@pytest.mark.parametrize(
    "nothing_here", [_details(_actor("ingress-2", THEIRS), proxies=(THEIRS,)), NO_CONTROLLER]
)
def test_a_node_with_nothing_of_serve_on_it_is_to_get_nothing_either(
    orders: Path, served: list[Dashboard], nothing_here: Scene
) -> None:
    assert _drain(served, [nothing_here]) == 0
    assert f"--node-id {OURS}" in orders.read_text()


@pytest.mark.parametrize("no_answer", [503, "no JSON", {"proxies": {}}, "null", NO_CONTROLLER])
def test_an_answer_that_is_none_ends_nothing(
    orders: Path, served: list[Dashboard], no_answer: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = _details(_actor("ingress-1", OURS))
    assert _drain(served, [ours, no_answer, no_answer, ours, _details()]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == ["still here: ingress-1", "empty"]
    assert said.err.count("asking again") == 1


def test_a_replica_whose_node_a_new_controller_has_not_learned_yet_is_still_here(
    orders: Path, served: list[Dashboard], capsys: pytest.CaptureFixture[str]
) -> None:
    recovering = {"actor_name": "ingress-1", "node_id": None}
    ours = _details(_actor("ingress-1", OURS))
    assert _drain(served, [ours, _details(recovering), ours, _details()]) == 0
    assert served[0].scenes["/api/serve/applications/"] == [_details()]
    assert capsys.readouterr().out.splitlines() == ["still here: ingress-1", "empty"]


def test_answers_that_do_not_come_back_are_waited_for_until_the_time_is_up(
    orders: Path, served: list[Dashboard], capsys: pytest.CaptureFixture[str]
) -> None:
    scenes: list[Scene] = [_details(_actor("ingress-1", OURS)), 503]
    assert _drain(served, scenes, "--timeout", "2") == 1
    said = capsys.readouterr().err
    assert said.count("asking again") == 1
    assert "503" in said


def test_a_head_that_comes_back_is_asked_again_where_the_node_is(
    orders: Path, served: list[Dashboard], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "_FOUND_WITHIN_S", 60.0)
    nodes: list[Scene] = [502, _nodes(), _nodes(pod_a=OURS)]
    assert _drain(served, [_details()], nodes=nodes) == 0
    assert f"--node-id {OURS}" in orders.read_text()


@pytest.mark.parametrize("named", [(), ("--node-id", "dd" * 28)])
def test_a_node_that_ray_does_not_know_is_no_empty_one(
    orders: Path,
    served: list[Dashboard],
    named: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _drain(served, [_details()], *named, nodes=[_nodes()]) == 1
    said = capsys.readouterr()
    assert "no node" in said.err
    assert "empty" not in said.out
    assert not orders.exists()


def test_who_does_not_say_which_node_is_asked(
    orders: Path,
    served: list[Dashboard],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("RAY_CLOUD_INSTANCE_ID")
    assert _drain(served, [_details()]) == 2
    assert "--node-id" in capsys.readouterr().err
    assert not orders.exists()


def test_a_time_that_is_not_enough_is_told(orders: Path, served: list[Dashboard]) -> None:
    assert _drain(served, [_details(_actor("ingress-1", OURS))], "--timeout", "2") == 1
    assert orders.exists()


def test_a_node_may_be_named(orders: Path, served: list[Dashboard]) -> None:
    assert _drain(served, [_details()], "--node-id", THEIRS) == 0
    assert f"--node-id {THEIRS}" in orders.read_text()


async def test_a_node_is_found_in_what_rays_dashboard_makes_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = gcs_pb2.GcsNodeInfo(node_id=bytes.fromhex(OURS), instance_id="pod-a")
    monkeypatch.setitem(datacenter.DataSource.nodes, OURS, node_head._gcs_node_info_to_dict(known))
    summary = await datacenter.DataOrganizer.get_all_node_summary()
    answer = optional_utils.rest_response(
        status_code=HTTPStatusCode.OK, message="", summary=summary, node_logical_resources={}
    )
    told = json.loads(answer.text)
    assert drain.node_of(told, "pod-a") == drain.node_of(told, OURS) == OURS
    assert drain.node_of(told, "pod-b") is None


def _stand_in(script: str) -> None:
    Path(sys.executable).write_text(f"#!/bin/sh\n{script}\n")


def test_a_ray_that_never_answers_costs_no_more_than_the_time_that_there_is(
    orders: Path, served: list[Dashboard], capsys: pytest.CaptureFixture[str]
) -> None:
    _stand_in("exec sleep 600")
    assert _drain(served, [_details()], "--timeout", "0.2") == 1
    assert "Ray" in capsys.readouterr().err


def test_a_ray_that_fails_once_is_told_again(
    orders: Path,
    served: list[Dashboard],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(drain, "_FOUND_WITHIN_S", 60.0)
    _stand_in(f'test -e {orders} && exit\necho "$@" > {orders}\necho "no GCS" >&2\nexit 1')
    assert _drain(served, [_details()], "--timeout", "90") == 0
    assert "no GCS" in capsys.readouterr().err
    told = orders.read_text().split()
    assert 80 <= int(told[told.index("--deadline-remaining-seconds") + 1]) < 90


def test_a_head_that_is_gone_keeps_nobody(orders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dashboard = Dashboard([_details()], [_nodes(pod_a=OURS)])
    dashboard.server.shutdown()
    dashboard.server.server_close()
    assert main(["drain", "--dashboard", dashboard.url]) == 1
    assert "no answer" in capsys.readouterr().err
    assert not orders.exists()


def test_without_the_token_nothing_is_drained(
    orders: Path, served: list[Dashboard], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    assert _drain(served, [_details(_actor("ingress-1", OURS))]) == 1
    assert not orders.exists()
