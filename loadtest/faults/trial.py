"""One fault under load, in; what its clients saw, with times from the moment it struck, out."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, field, fields
from typing import Any

from loadtest.faults.clients.load import Load
from loadtest.faults.clients.told import Attempt, Request, Words
from loadtest.faults.cluster.cluster import Cluster
from loadtest.faults.injuries import Fault

_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    calm_s: float = 30.0
    """Of load before the fault: what its clients see then is what they should see again."""
    settle_s: float = 20.0
    """Of load after the cluster is whole again."""
    whole_within_s: float = 300.0


@dataclass(slots=True)
class Trial:
    """Times are seconds since the fault."""

    fault: str
    requests: list[Request] = field(default_factory=list)
    events: list[tuple[float, str]] = field(default_factory=list)
    whole_s: float | None = None
    """When all replicas were there again; None: not in time."""
    ended_s: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Its requests as rows, since there are hundreds."""
        return {
            "fault": self.fault,
            "requests": [_row(request) for request in self.requests],
            "events": [[round(at, 2), what] for at, what in self.events],
            "whole_s": self.whole_s,
            "ended_s": self.ended_s,
        }

    @staticmethod
    def of_json(told: dict[str, Any]) -> "Trial":
        requests = [_request(row) for row in told["requests"]]
        events = [(float(at), str(what)) for at, what in told["events"]]
        return Trial(told["fault"], requests, events, told["whole_s"], told["ended_s"])


def _row(request: Request) -> list[Any]:
    """Its fields in their order, to the hundredth of a second."""
    values = {each.name: getattr(request, each.name) for each in fields(Request)}
    values["attempts"] = [
        [round(each.began_at, 2), round(each.ended_at, 2), each.outcome, each.detail]
        for each in request.attempts
    ]
    values["words"] = list(astuple(request.words))
    return [round(each, 2) if isinstance(each, float) else each for each in values.values()]


def _request(row: list[Any]) -> Request:
    values = dict(zip((each.name for each in fields(Request)), row, strict=True))
    attempts = [Attempt(*attempt) for attempt in values.pop("attempts")]
    return Request(**values | {"attempts": attempts, "words": Words(*values["words"])})


async def run_trial(
    name: str, fault: Fault, cluster: Cluster, load: Load, plan: Plan, say: Callable[[str], None]
) -> Trial:
    """The cluster is whole before and, if it can, afterwards."""
    marks: list[tuple[float, str]] = []

    def note(what: str) -> None:
        marks.append((time.monotonic(), what))
        say(f"  {what}")

    cluster.note = note
    watching = asyncio.create_task(cluster.watch())
    try:
        await load.start()
        await asyncio.sleep(plan.calm_s)
        num_doors = len(cluster.door.open_to())
        await fault.strike(cluster, note)
        whole_at = await _wholeness(cluster, num_doors, plan.whole_within_s)
        if whole_at is not None:
            note("all replicas are there")
        await asyncio.sleep(plan.settle_s)
        ended_at = time.monotonic()
        await load.stop()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    struck_at = marks[0][0]
    return Trial(
        name,
        [_since(struck_at, request) for request in load.requests],
        [(at - struck_at, what) for at, what in marks],
        None if whole_at is None else whole_at - struck_at,
        ended_at - struck_at,
    )


async def _wholeness(cluster: Cluster, num_doors: int, within_s: float) -> float | None:
    """When it was whole; looked at twice, for a loss that is not seen yet is none."""
    give_up_at = time.monotonic() + within_s
    first_at: float | None = None
    while time.monotonic() < give_up_at:
        now = time.monotonic()
        is_open = len(cluster.door.open_to()) >= num_doors
        if not (is_open and await asyncio.to_thread(cluster.is_whole)):
            first_at = None
        elif first_at is None:
            first_at = now
        elif now - first_at > 3 * _LOOK_S:
            return first_at
        await asyncio.sleep(_LOOK_S)
    return None


def _since(moment: float, request: Request) -> Request:
    request.began_at -= moment
    request.ended_at -= moment
    request.silence_at -= moment
    request.attempts = [
        Attempt(each.began_at - moment, each.ended_at - moment, each.outcome, each.detail)
        for each in request.attempts
    ]
    return request
