"""A head and workers, what is deployed on them, and who starts them again when they end."""

import asyncio
import json
import os
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import psutil
import yaml

from loadtest.faults.cluster import network
from loadtest.faults.cluster.door import Door, door
from loadtest.faults.cluster.nodes import DASHBOARD_PORT, Node
from loadtest.faults.cluster.stores import database_of_jobs, memory_of_the_head
from serve_app.server import flags_in

ROOT = Path(__file__).resolve().parents[3]
CONFIG = Path(__file__).with_name("cluster.yaml")
WORKERS: Mapping[str, Mapping[str, float]] = {
    "l4-a": {"L4": 1},
    "l4-b": {"L4": 1},
    "h200": {"H200": 1},
}
SPARE = ("l4-c", {"L4": 1})
"""Started when a node is to be replaced."""
BACK_AFTER_S = 10.0
"""A node that has ended is started again, as its unit or its pod would be."""
_UP_WITHIN_S = 300.0
_LOOK_S = 0.5


@dataclass
class Cluster:
    folder: Path
    environment: dict[str, str]
    head: Node
    workers: dict[str, Node]
    spare: Node
    door: Door
    document: dict[str, Any]
    conditions: dict[str, str]
    note: Callable[[str], None] = lambda what: None
    """Told of what happens to nodes."""
    _gone_at: dict[str, float] = field(default_factory=dict)
    _resting: set[str] = field(default_factory=set)
    """Nodes that are down, and are not to be started."""

    @property
    def nodes(self) -> dict[str, Node]:
        return {"head": self.head, **self.workers, self.spare.name: self.spare}

    def deploy(self) -> None:
        """As a platform engineer does: `serve deploy FILE` at the head."""
        path = self.folder / "deployed.yaml"
        path.write_text(yaml.safe_dump(self.document, sort_keys=False))
        address = f"http://{self.head.host.address}:{DASHBOARD_PORT}"
        self._run("ray.serve.scripts", "deploy", str(path), "--address", address)

    def drain(self, node: Node, *, within_s: float) -> str:
        """`chorus drain` on the node itself, as its pod's `preStop` does; what it said last.

        Raises:
            AssertionError: it was not empty in time.
        """
        words = ["drain", "--node-id", self.node_id(node), "--timeout", str(within_s)]
        token = Path(self.environment["RAY_AUTH_TOKEN_PATH"]).read_text().strip()
        address = self.head.host.address
        given = {"RAY_ADDRESS": self.head.gcs, "FQ_RAY_IP": address, "RAY_AUTH_TOKEN": token}
        return self._run("serve_app.cli", *words, host=node.host, given=given)

    def node_id(self, node: Node) -> str:
        """As Ray calls it."""
        answer = self._dashboard(
            "/api/v0/nodes?filter_keys=state&filter_predicates=%3D&filter_values=ALIVE"
        )
        for each in answer["data"]["result"]["result"]:
            if each["node_ip"] == node.host.address:
                return str(each["node_id"])
        raise LookupError(node.name)

    def _dashboard(self, path: str) -> dict[str, Any]:
        url = f"http://{self.head.host.address}:{DASHBOARD_PORT}{path}"
        token = Path(self.environment["RAY_AUTH_TOKEN_PATH"]).read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.get(url, headers=headers, timeout=20)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def status(self) -> dict[str, Any]:
        """Of the application, as Serve tells it. Raises httpx.HTTPError, KeyError."""
        told: dict[str, Any] = self._dashboard("/api/serve/applications/")["applications"]["chorus"]
        return told

    def _run(
        self,
        module: str,
        *words: str,
        host: network.Host | None = None,
        given: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        command = [sys.executable, "-m", module, *words]
        environment = {**os.environ, **self.environment, **given}
        command = command if host is None else host.command(*command)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout.strip().rpartition("\n")[2]

    def replicas(self, deployment: str = "") -> list[tuple[Node, psutil.Process]]:
        return [
            (node, each) for node in self.nodes.values() for _, each in node.replicas(deployment)
        ]

    def census(self) -> Counter[str]:
        """How many replicas of each deployment are up."""
        return Counter(name for node in self.nodes.values() for name, _ in node.replicas())

    @property
    def wanted(self) -> Counter[str]:
        entries = self.document["applications"][0]["deployments"]
        return Counter({each["name"]: int(each["num_replicas"]) for each in entries})

    @property
    def roles(self) -> dict[str, str]:
        """Deployments by what they are: `model`, of several replicas, `only-model`, of one, and
        `streaming` are models; the others are called what they are."""
        named = {name: name for name in ("Ingress", "Preprocessor", "Jobs")}
        for each in self.document["applications"][0]["args"]["models"]:
            of_several = "model" if self.wanted[each["name"]] > 1 else "only-model"
            named["streaming" if "streaming" in each else of_several] = each["name"]
        return named

    def is_whole(self) -> bool:
        """All replicas that are wanted run, and Serve says so too."""
        if self.census() != self.wanted:
            return False
        with suppress(httpx.HTTPError, KeyError):
            status = self.status()
            healthy = [each["status"] == "HEALTHY" for each in status["deployments"].values()]
            return status["status"] == "RUNNING" and all(healthy)
        return False

    async def watch(self) -> None:
        """For ever: start again what has ended."""
        while True:
            now = time.monotonic()
            for node in [self.head, *self.workers.values()]:
                if node.is_running or node.name in self._resting:
                    continue
                gone_at = self._gone_at.setdefault(node.name, now)
                if now - gone_at >= BACK_AFTER_S:
                    del self._gone_at[node.name]
                    await asyncio.to_thread(node.kill)
                    node.start()
                    self.note(f"{node.name} is started again")
            await asyncio.sleep(_LOOK_S)

    def rest(self, node: Node) -> None:
        """It stays down."""
        self._resting.add(node.name)

    def replace(self, node: Node) -> None:
        """The spare node takes the place of one that has ended, which is the spare now."""
        del self.workers[node.name]
        self.workers[self.spare.name] = self.spare
        self.spare = node

    def free(self, node: Node) -> None:
        self._resting.discard(node.name)


@contextmanager
def cluster(
    folder: Path, *, config: Path = CONFIG, over: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Cluster]:
    """Up, with nothing deployed; nothing of it is left afterwards. `over` is laid over what the
    files of `configs/` set in the environment of the nodes."""
    network.make()
    with ExitStack() as stack:
        memory = stack.enter_context(memory_of_the_head(folder))
        database = stack.enter_context(database_of_jobs(folder))
        environment = {**_environment(folder), **over}
        head = Node(network.Host("head", 2), folder, {**environment, **memory}, {})
        document = _document(config, database, folder)
        described = [*_workers(document).items(), SPARE]
        workers = {
            name: Node(network.Host(name, 11 + number), folder, environment, resources, head)
            for number, (name, resources) in enumerate(described)
        }
        addresses = {node.name: node.host.address for node in (head, *workers.values())}
        opened = stack.enter_context(door(folder, addresses))
        spare = workers.pop(SPARE[0])
        conditions = {"memory of the head": next(iter(memory)), "jobs": database.partition(":")[0]}
        whole = Cluster(folder, environment, head, workers, spare, opened, document, conditions)
        try:
            head.start()
            _await_node(whole, head)
            for node in workers.values():
                node.start()
            for node in workers.values():
                _await_node(whole, node)
            yield whole
        finally:
            for node in whole.nodes.values():
                node.host.mend()
                node.kill()


def _environment(folder: Path) -> dict[str, str]:
    """What every process of every node finds: the two files of `configs/`, and a token."""
    token = folder / "token"
    token.write_text(secrets.token_hex(32))
    flags = flags_in(ROOT / "configs/ray.env") | flags_in(ROOT / "configs/cluster.env")
    # Replicas yield to all else on a node; here all nodes, clients included, share the same cores.
    own = {"RAY_worker_niceness": "0", "PYTHONPATH": str(ROOT)}
    return {**flags, **own, "RAY_AUTH_TOKEN_PATH": str(token)}


def _document(config: Path, database: str, folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(config.read_text())
    jobs = document["applications"][0]["args"].get("jobs")
    if jobs is not None:
        jobs["database_url"] = database
        jobs["audio_url"] = str(folder / "audio")
    return document


def _workers(document: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    """Those whose type of GPU some deployment asks for."""
    entries = document["applications"][0]["deployments"]
    options = [each.get("ray_actor_options", {}).get("resources", {}) for each in entries]
    asked = {name for resources in options for name in resources}
    return {name: types for name, types in WORKERS.items() if asked & types.keys()}


def _await_node(cluster: Cluster, node: Node) -> None:
    give_up_at = time.monotonic() + _UP_WITHIN_S
    while time.monotonic() < give_up_at:
        if not node.is_running:  # Ray gives up by itself on a machine that has too much to do
            node.kill()
            node.start()
        with suppress(httpx.HTTPError, LookupError, KeyError, json.JSONDecodeError):
            cluster.node_id(node)
            return
        time.sleep(_LOOK_S)
    raise TimeoutError(f"{node.name} did not join the cluster")
