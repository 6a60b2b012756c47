"""Which replicas of a deployment run, from its request router in, to whoever follows it out.

Within one process: Serve tells its router, which may live in a thread of its own, and the router
tells here. Ray rebuilds the router's class by value, so that nothing of its module can be shared:
this is what it shares with the rest.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

Follow = Callable[[frozenset[str]], None]


@dataclass(slots=True)
class _Deployment:
    replicas: frozenset[str] = frozenset()
    held: Counter[str] = field(default_factory=Counter)
    followers: list[tuple[asyncio.AbstractEventLoop, Follow]] = field(default_factory=list)


_lock = threading.Lock()
_deployments: dict[str, _Deployment] = {}


def _of(deployment: str) -> _Deployment:
    return _deployments.setdefault(deployment, _Deployment())


def publish(deployment: str, replicas: frozenset[str]) -> None:
    """These are the replicas that take calls now."""
    with _lock:
        entry = _of(deployment)
        entry.replicas = replicas
        for loop, follow in entry.followers:
            if not loop.is_closed():
                loop.call_soon_threadsafe(follow, replicas)


def follow(deployment: str, told: Follow) -> None:
    """Have `told` called in this loop: soon, and with every change."""
    loop = asyncio.get_running_loop()
    with _lock:
        entry = _of(deployment)
        entry.followers.append((loop, told))
        loop.call_soon(told, entry.replicas)


def unfollow(deployment: str, told: Follow) -> None:
    with _lock:
        entry = _of(deployment)
        entry.followers = [each for each in entry.followers if each[1] != told]


def hold(deployment: str, replica: str) -> None:
    """Somebody means to call this replica even when it drains."""
    with _lock:
        _of(deployment).held[replica] += 1


def let_go(deployment: str, replica: str) -> None:
    with _lock:
        _of(deployment).held[replica] -= 1


def held(deployment: str) -> frozenset[str]:
    with _lock:
        return frozenset(+_of(deployment).held)
