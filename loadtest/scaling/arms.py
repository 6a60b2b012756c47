"""Models that differ in their policy and what it needs to see, on one server; their replicas.

Both get the same arrivals at the same moments, so that whatever else the machine does, it does to
both. The server runs in this process's own Ray instance: it is asked for its replicas, and it
takes a policy for live streams that `chorus check` rightly refuses.
"""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from loadtest.bench.load import BenchError
from loadtest.bench.server import free_port
from serve_app.config import BatchConfig, SimulatedConfig
from serve_app.deployments.scaling import AUDIO_POLICY, SLOTS_POLICY
from serve_app.server import FLAGS_FILE, deploy, running

_DEFAULT_POLICY = "ray.serve.autoscaling_policy:default_autoscaling_policy"
"""Named, or the check would refuse it."""

COST = SimulatedConfig(fixed_s=0.3, per_audio_s=0.1125)
BATCH = BatchConfig(max_batch_audio_s=24.0, max_batch_size=16)
"""A full batch takes three seconds: so slow that the engine is the bottleneck, not two cores."""
PER_S = BATCH.max_batch_audio_s / (COST.fixed_s + COST.per_audio_s * BATCH.max_batch_audio_s)
"""Audio seconds that a replica clears in a second at best."""
MORE_THAN_COMES = 1_000
"""Batches that a replica of Serve's default may hold. That policy counts calls, and what the bound
of two keeps back at the preprocessor is none yet: with it, it would never see a queue."""
MAX_REPLICAS, MAX_LIVE_REPLICAS = 8, 5
NUM_SLOTS = 3
TARGET_WAIT_S = 5.0
_MAX_CHUNK_S = 15.0
_DELAYS: Mapping[str, Any] = {
    "min_replicas": 1,
    "metrics_interval_s": 1,
    "look_back_period_s": 5,
    "upscale_delay_s": 2,
    "downscale_delay_s": 15,
}
_POLL_S = 0.5
_STALE_S = 15.0
"""So long nobody may have looked in a load that counts: replicas come and go within it."""
Counts = tuple[int, int]
"""Replicas of an arm that run, and all but those that stop."""

_PATIENT = {
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "10",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60",
}
"""While many replicas start on two cores, a proxy that is late is not dead."""
_OWN = ("Ingress", "Preprocessor")

AUDIO, REQUESTS, SLOTS, CALLS = "by-audio", "by-requests", "by-slots", "by-calls"
NAMES: Mapping[str, str] = {
    AUDIO: "AudioPolicy",
    REQUESTS: "Serve's default",
    SLOTS: "SlotsPolicy",
    CALLS: "Serve's default",
}


def document(base: Path, *, target_ongoing: float) -> dict[str, Any]:
    """`base` with both arms instead of its models, so that it passes the check: see
    `_give_streams_the_default`."""
    found: dict[str, Any] = yaml.safe_load(base.read_text())
    application = found["applications"][0]
    arguments = application["args"]
    arguments.pop("jobs", None)
    arguments["metrics_port"] = free_port()
    # What one replica would take long for, more may take in time: nobody is refused meanwhile.
    arguments["limits"] = {"max_wait_s": 300}
    arguments["streams"] = {"voice_detector": "loudness"}
    offline = {
        "kind": "simulated",
        "max_chunk_s": _MAX_CHUNK_S,
        "batch": BATCH.model_dump(),
        "simulated": COST.model_dump(),
    }
    unbounded = BATCH.model_copy(update={"max_batches_held": float(MORE_THAN_COMES)})
    live = {"kind": "simulated", "streaming": {"num_slots": NUM_SLOTS}}
    arguments["models"] = [
        {"name": AUDIO, **offline},
        {"name": REQUESTS, **offline, "batch": unbounded.model_dump()},
        {"name": SLOTS, **live},
        {"name": CALLS, **live},
    ]
    own = [each for each in application["deployments"] if each["name"] in _OWN]
    audio = {"policy_function": AUDIO_POLICY,
             "policy_kwargs": {"target_wait_s": TARGET_WAIT_S}}  # fmt: skip
    slots = {"policy_function": SLOTS_POLICY}
    application["deployments"] = [
        *own,
        _deployment(AUDIO, MAX_REPLICAS, policy=audio),
        _deployment(
            REQUESTS,
            MAX_REPLICAS,
            policy={"policy_function": _DEFAULT_POLICY},
            target_ongoing_requests=target_ongoing,
        ),
        _deployment(SLOTS, MAX_LIVE_REPLICAS, policy=slots),
        _deployment(CALLS, MAX_LIVE_REPLICAS, policy=slots),
    ]
    return found


def _deployment(name: str, max_replicas: int, **scaling: Any) -> dict[str, Any]:
    return {
        "name": name,
        "ray_actor_options": {"num_cpus": 0.01},
        "autoscaling_config": {**_DELAYS, "max_replicas": max_replicas, **scaling},
    }


@contextmanager
def served(base: Path, *, target_ongoing: float) -> Iterator[str]:
    """The address of a server of both arms."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        found = document(base, target_ongoing=target_ongoing)
        path.write_text(yaml.safe_dump(found))
        if (flags := base.with_name(FLAGS_FILE)).is_file():
            shutil.copy(flags, folder)
        for name, value in _PATIENT.items():
            os.environ.setdefault(name, value)
        with running(path, port=free_port()) as address:
            _give_streams_the_default(found)
            yield address


def _give_streams_the_default(found: dict[str, Any]) -> None:
    """`chorus check` would refuse it, so it comes behind the check. Two calls are a link: with
    fewer to a replica each link would start one more."""
    from ray.serve.schema import ServeDeploySchema

    for deployment in found["applications"][0]["deployments"]:
        if deployment["name"] == CALLS:
            deployment["autoscaling_config"].pop("policy")
            deployment["autoscaling_config"]["target_ongoing_requests"] = 2
    deploy(ServeDeploySchema.model_validate(found))


@dataclass(slots=True)
class Replicas:
    """Of all arms, over time: what runs, and what there is with those that start."""

    error: Exception | None = None
    """Of the last look that failed."""
    at: list[float] = field(default_factory=list)
    """Of `time.perf_counter`."""
    running: dict[str, list[int]] = field(default_factory=dict)
    target: dict[str, list[int]] = field(default_factory=dict)

    def are_settled(self, arms: Iterable[str]) -> bool:
        """Whether each arm has one replica, which serves, and none that starts."""
        return all(
            self.running.get(arm, [0])[-1] == self.target.get(arm, [0])[-1] == 1 for arm in arms
        )

    def require_seen(self, since: float, until: float) -> None:
        """Of `time.perf_counter`.

        Raises:
            BenchError: for some time between, nobody looked.
        """
        seen = [since, *(at for at in self.at if since < at < until), until]
        blind_s = max(after - before for before, after in pairwise(seen))
        if blind_s > _STALE_S:
            why = f": {self.error!r}" if self.error else ""
            raise BenchError(f"Serve did not tell its replicas for {blind_s:.0f} s{why}")

    def add(self, at: float, counts: Mapping[str, Counts]) -> None:
        self.at.append(at)
        for arm, (num_running, num_target) in counts.items():
            self.running.setdefault(arm, []).append(num_running)
            self.target.setdefault(arm, []).append(num_target)


@contextmanager
def watched(count: Callable[[], Mapping[str, Counts]] | None = None) -> Iterator[Replicas]:
    """Serve is asked twice a second, in a thread; or `count` is."""
    replicas = Replicas()
    stopping = threading.Event()
    watching = replicas, stopping, count or _count
    thread = threading.Thread(target=_watch, args=watching, daemon=True)
    thread.start()
    try:
        yield replicas
    finally:
        stopping.set()
        thread.join()


def _watch(
    replicas: Replicas, stopping: threading.Event, count: Callable[[], Mapping[str, Counts]]
) -> None:
    while not stopping.wait(_POLL_S):
        try:
            counts = count()
        except Exception as error:  # a busy controller is late at times: what lasts is found stale
            replicas.error = error
            continue
        replicas.add(time.perf_counter(), counts)


def _count() -> dict[str, Counts]:
    from ray import serve

    (application,) = serve.status().applications.values()
    return {arm: _counts(application.deployments[arm].replica_states) for arm in NAMES}


def _counts(states: Mapping[Any, int]) -> Counts:
    counts = {str(getattr(state, "value", state)): n for state, n in states.items()}
    return counts.get("RUNNING", 0), sum(counts.values()) - counts.get("STOPPING", 0)
