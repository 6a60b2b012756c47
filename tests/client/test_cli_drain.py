"""`chorus drain`: a dashboard that says what is where, and a Ray that notes its orders."""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from serve_app.cli import drain, main

OURS, THEIRS = "aa" * 28, "bb" * 28


def _actor(name: str, node: str) -> dict[str, Any]:
    instance = "pod-a" if node == OURS else "pod-b"
    return {"actor_name": name, "node_id": node, "node_instance_id": instance}


def _details(*replicas: dict[str, Any], proxies: tuple[str, ...] = ()) -> dict[str, Any]:
    deployments = {"Ingress": {"replicas": list(replicas)}}
    shown = {node: _actor("proxy", node) for node in proxies}
    return {"applications": {"chorus": {"deployments": deployments}}, "proxies": shown}


class Dashboard:
    """Answers with each of `scenes` once, with the last one for ever; who comes without the token
    is refused."""

    def __init__(self, scenes: list[dict[str, Any]]) -> None:
        self.scenes = scenes
        dashboard = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.headers["Authorization"] != "Bearer secret":
                    self.send_error(401)
                    return
                scenes = dashboard.scenes
                body = json.dumps(scenes.pop(0) if len(scenes) > 1 else scenes[0]).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the `ray` that stands in for Ray's own was told."""
    told = tmp_path / "orders"
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(drain, "_POLL_S", 0.0)
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


def _drain(served: list[Dashboard], scenes: list[dict[str, Any]], *more: str) -> int:
    served.append(Dashboard(scenes))
    return main(["drain", "--dashboard", served[-1].url, "--address", "head:6379", *more])


def test_it_waits_for_the_replicas_and_then_for_the_proxy_of_its_node(
    orders: Path, served: list[Dashboard], capsys: pytest.CaptureFixture[str]
) -> None:
    there = _actor("ingress-2", THEIRS)
    starting = {"actor_name": "ingress-2"}
    scenes = [
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


def test_a_node_with_nothing_of_serve_on_it_may_go_at_once(
    orders: Path, served: list[Dashboard]
) -> None:
    assert _drain(served, [_details(_actor("ingress-2", THEIRS), proxies=(THEIRS,))]) == 0
    assert not orders.exists()


def test_a_time_that_is_not_enough_is_told(orders: Path, served: list[Dashboard]) -> None:
    assert _drain(served, [_details(_actor("ingress-1", OURS))], "--timeout", "0.01") == 1
    assert orders.exists()


def test_a_node_may_be_named(orders: Path, served: list[Dashboard]) -> None:
    assert _drain(served, [_details()], "--node-id", THEIRS) == 0
    assert f"--node-id {THEIRS}" in orders.read_text()


def test_a_head_that_is_gone_keeps_nobody(
    orders: Path, served: list[Dashboard], capsys: pytest.CaptureFixture[str]
) -> None:
    dashboard = Dashboard([_details()])
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
