"""`chorus drain`: a node of a cluster in, the same node empty out, with no request or stream cut.

Kubernetes runs it in a pod that is to end (`lifecycle.preStop`). Ray is told that the node drains;
Serve then starts its replicas elsewhere, stops the ones here when they have finished, and last the
proxy, when no connection is left. What remains when this command ends is cut off by whoever ends
the node; so a head that does not answer, as it may just be starting anew, is asked again.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, TypeVar

import httpx

from serve_app.cli.parsers import Commands, add_command, positive_float

_POLL_S = 1.0
_ANSWER_TIMEOUT_S = 10.0
_FOUND_WITHIN_S = 60.0
"""Time for a head to come back before it can be told; else it went together with this node."""
_INSTANCE = "RAY_CLOUD_INSTANCE_ID"
"""The name that KubeRay gives a node: its pod's."""
_Found = TypeVar("_Found")


class _NoAnswerError(Exception):
    """There may be one to the next question."""


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "drain",
        help="empty this node of a cluster before it ends",
        description="Have Ray move what runs on this node elsewhere, and wait until its replicas\n"
        "and its proxy have finished. Exit status 1 if the time was not enough, or if Ray cannot\n"
        "be told, 2 if nothing says which node.",
        examples="  chorus drain --timeout 600\n"
        "  chorus drain --node-id 3f2a… --dashboard http://head:8265 --address head:6379\n",
    )
    parser.add_argument(
        "--timeout",
        type=positive_float,
        default=600.0,
        metavar="S",
        help="seconds to wait (default: 600)",
    )
    parser.add_argument(
        "--node-id", help=f"Ray's id of the node (default: of the one that ${_INSTANCE} names)"
    )
    parser.add_argument(
        "--address",
        default=os.environ.get("RAY_ADDRESS", "127.0.0.1:6379"),
        help="of Ray's control store (default: $RAY_ADDRESS, or 127.0.0.1:6379)",
    )
    parser.add_argument(
        "--dashboard",
        default=f"http://{os.environ.get('FQ_RAY_IP', '127.0.0.1')}:8265",
        help="of Ray's dashboard (default: port 8265 of $FQ_RAY_IP, or of this machine)",
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    name = args.node_id or os.environ.get(_INSTANCE)
    if not name:
        print(f"chorus drain: which node? --node-id ID, or ${_INSTANCE}", file=sys.stderr)
        return 2
    began_at = time.monotonic()
    give_up_at = began_at + args.timeout
    told_by = min(began_at + _FOUND_WITHIN_S, give_up_at)
    try:
        with _dashboard(args.dashboard) as dashboard:
            node = _patiently(lambda: _node(dashboard, name), told_by)
            _patiently(lambda: _tell_ray(node, args.address, give_up_at), told_by)
            return _wait(dashboard, node, give_up_at)
    except _NoAnswerError as error:
        print(f"chorus drain: {error}", file=sys.stderr)
    return 1


def node_of(summary: Mapping[str, Any], name: str) -> str | None:
    """Ray's id of the live node that has the id or the instance's name `name`. A node need have
    nothing of Serve to be told of: it must not get anything either."""
    for node in (each["raylet"] for each in summary["data"]["summary"]):
        if node.get("state") == "ALIVE" and name in (node["nodeId"], node["instanceId"]):
            return str(node["nodeId"])
    return None


def what_is_left(
    details: Mapping[str, Any], node_id: str, before: Collection[str] = ()
) -> list[str]:
    """Names of Serve's actors on a node, in the order that they are listed in; after those that
    were left `before`.

    Raises:
        LookupError: Serve, which had something there, has no controller that knows of it.
    """
    if before and not details["controller_info"]:
        raise LookupError("no controller of Serve")
    return [
        actor["actor_name"]
        for actor in _actors(details)
        # a controller that starts anew has to learn their nodes again
        if actor.get("node_id") == node_id
        or (actor.get("node_id") is None and actor["actor_name"] in before)
    ]


def _wait(dashboard: httpx.Client, node_id: str, give_up_at: float) -> int:
    left: list[str] = []

    def look() -> list[str]:
        path = "/api/serve/applications/"
        return _get(dashboard, path, lambda details: what_is_left(details, node_id, left))

    while now_left := _patiently(look, give_up_at):
        if now_left != left:
            print(f"still here: {', '.join(now_left)}", flush=True)
            left = now_left
        if time.monotonic() >= give_up_at:
            return 1
        time.sleep(_POLL_S)
    print("empty")
    return 0


def _patiently(ask: Callable[[], _Found], until: float) -> _Found:
    """What it answers in the end.

    Raises:
        _NoAnswerError: the last one, when it is too late to ask again.
    """
    told = False
    while True:
        try:
            return ask()
        except _NoAnswerError as error:
            if time.monotonic() >= until:
                raise
            if not told:
                print(f"chorus drain: {error}; asking again", file=sys.stderr, flush=True)
                told = True
        time.sleep(_POLL_S)


def _tell_ray(node_id: str, address: str, give_up_at: float) -> None:
    left_s = max(give_up_at - time.monotonic(), 0.0)
    command = [sys.executable, "-m", "ray.scripts.scripts", "drain-node", "--address", address]
    command += ["--node-id", node_id, "--reason", "DRAIN_NODE_REASON_PREEMPTION"]
    command += ["--reason-message", "chorus drain"]
    command += ["--deadline-remaining-seconds", str(int(left_s))]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=left_s)
    except subprocess.CalledProcessError as error:
        raise _NoAnswerError(f"Ray refuses: {error.stderr.strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise _NoAnswerError(f"Ray has not answered in {left_s:.0f} s") from error


def _node(dashboard: httpx.Client, name: str) -> str:
    path = "/nodes?view=summary&nocache=1"  # cached, a node that has just joined is not there yet
    node = _get(dashboard, path, lambda summary: node_of(summary, name))
    if node is None:
        raise _NoAnswerError(f"Ray has no node {name}")
    return node


def _dashboard(address: str) -> httpx.Client:
    """Ray gives its processes the token in their environment; KubeRay does."""
    token = os.environ.get("RAY_AUTH_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=address, headers=headers, timeout=_ANSWER_TIMEOUT_S)


def _get(dashboard: httpx.Client, path: str, read: Callable[[Any], _Found]) -> _Found:
    try:
        answer = dashboard.get(path)
        answer.raise_for_status()
        return read(answer.json())
    except (httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError) as error:
        # the last four: it is no JSON, or of another shape
        raise _NoAnswerError(f"no answer from {dashboard.base_url}: {error!r}") from error


def _actors(details: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Those that only start have a name, and no node yet: they serve nobody."""
    for application in details["applications"].values():
        for deployment in application["deployments"].values():
            yield from deployment["replicas"]
    yield from details["proxies"].values()
