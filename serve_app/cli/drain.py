"""`chorus drain`: a node of a cluster in, the same node empty out, with no request or stream cut.

Kubernetes runs it in a pod that is to end (`lifecycle.preStop`). Ray is told that the node drains;
Serve then starts its replicas elsewhere, stops the ones here when they have finished, and last the
proxy, when no connection is left. What remains when the time is up is cut off by whoever ends the
node.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from serve_app.cli.parsers import Commands, add_command, positive_float

_POLL_S = 1.0
_ANSWER_TIMEOUT_S = 10.0
_INSTANCE = "RAY_CLOUD_INSTANCE_ID"
"""The name that KubeRay gives a node: its pod's."""


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "drain",
        help="empty this node of a cluster before it ends",
        description="Have Ray move what runs on this node elsewhere, and wait until its replicas\n"
        "and its proxy have finished. Exit status 1 if the time was not enough.",
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
    parser.add_argument("--node-id", help=f"Ray's id of the node (default: of ${_INSTANCE})")
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
    give_up_at = time.monotonic() + args.timeout
    try:
        with _dashboard(args.dashboard) as dashboard:
            found = args.node_id or node_of(_details(dashboard), os.environ.get(_INSTANCE, ""))
            if found is None:
                print("nothing of Serve runs on this node")
                return 0
            _tell_ray(found, args.address, int(args.timeout))
            return _wait(dashboard, found, give_up_at)
    except httpx.HTTPError as error:  # a head that ends with us has nothing left to move
        print(f"chorus drain: no answer from {args.dashboard}: {error}", file=sys.stderr)
    except subprocess.CalledProcessError as error:
        print(f"chorus drain: Ray refuses: {error.stderr.strip()}", file=sys.stderr)
    return 1


def node_of(details: Mapping[str, Any], instance: str) -> str | None:
    """Ray's id of the node that is called `instance`; None where nothing of Serve is on it."""
    actors = _actors(details) if instance else ()
    nodes = (actor["node_id"] for actor in actors if actor.get("node_instance_id") == instance)
    return next(nodes, None)


def what_is_left(details: Mapping[str, Any], node_id: str) -> list[str]:
    """Names of Serve's actors on a node, in the order that they are listed in."""
    left = (actor for actor in _actors(details) if actor.get("node_id") == node_id)
    return [actor["actor_name"] for actor in left]


def _wait(dashboard: httpx.Client, node_id: str, give_up_at: float) -> int:
    told = -1
    while left := what_is_left(_details(dashboard), node_id):
        if len(left) != told:
            print(f"still here: {', '.join(left)}", flush=True)
            told = len(left)
        if time.monotonic() > give_up_at:
            return 1
        time.sleep(_POLL_S)
    print("empty")
    return 0


def _tell_ray(node_id: str, address: str, deadline_s: int) -> None:
    command = [sys.executable, "-m", "ray.scripts.scripts", "drain-node", "--address", address]
    command += ["--node-id", node_id, "--reason", "DRAIN_NODE_REASON_PREEMPTION"]
    command += ["--reason-message", "chorus drain", "--deadline-remaining-seconds", str(deadline_s)]
    subprocess.run(command, check=True, capture_output=True, text=True)


def _dashboard(address: str) -> httpx.Client:
    """Ray gives its processes the token in their environment; KubeRay does."""
    token = os.environ.get("RAY_AUTH_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=address, headers=headers, timeout=_ANSWER_TIMEOUT_S)


def _details(dashboard: httpx.Client) -> Mapping[str, Any]:
    answer = dashboard.get("/api/serve/applications/")
    answer.raise_for_status()
    details: Mapping[str, Any] = answer.json()
    return details


def _actors(details: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Those that only start have a name, and no node yet."""
    for application in details["applications"].values():
        for deployment in application["deployments"].values():
            yield from deployment["replicas"]
    yield from details["proxies"].values()
