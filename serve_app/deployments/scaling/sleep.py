"""Handles and Serve's status in, what the models can do out, and none that sleeps woken for it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.schema import DeploymentStatusOverview

from serve_app.deployments.routing import REPLICA_LOST, Handle
from serve_app.models.protocols import ModelInfo

_WITHIN_S = 3.0
"""For all of it; Serve's status may take half."""
_GONE = frozenset({"STOPPING", "STOPPED"})
_WELL = frozenset({"HEALTHY", "DOWNSCALING", "UPSCALING"})
"""A deployment that lost its replicas is none of them."""


class RollCall:
    """What each model said of itself when it was asked last, as long as it answers or sleeps."""

    def __init__(
        self,
        names: Sequence[str],
        handles: Mapping[str, Handle],
        *,
        within_s: float = _WITHIN_S,
        asleep: Callable[[float], Awaitable[frozenset[str] | None]] | None = None,
    ) -> None:
        """`asleep` is asked in place of Serve: see `_asleep`."""
        self._names = names
        self._handles = handles
        self._within_s = within_s
        self._ask_asleep = asleep or _asleep
        self._asleep = frozenset[str]()
        self._infos: dict[str, ModelInfo] = {}

    async def infos(self) -> list[ModelInfo]:
        """Of the models that answer now, in the order of their names. One that is known and sleeps
        is not woken by being asked: it answers when it is needed."""
        deadline = asyncio.get_running_loop().time() + self._within_s
        is_certain = await self._look() if self._infos else True
        await asyncio.gather(
            *(
                self._ask(name, deadline, is_awake=is_certain)
                for name in self._names
                if name not in self._infos or name not in self._asleep
            )
        )
        return [self._infos[name] for name in self._names if name in self._infos]

    async def _look(self) -> bool:
        """Whether Serve has said who sleeps; where it has not, what it said last stands."""
        found = await self._ask_asleep(self._within_s / 2)
        if found is not None:
            self._asleep = found
        return found is not None

    async def _ask(self, name: str, deadline: float, *, is_awake: bool) -> None:
        """A model that cannot answer now has no entry, and keeps nobody waiting for the others;
        unless it may be asleep."""
        try:
            async with asyncio.timeout_at(deadline):
                self._infos[name] = await self._handles[name].info.remote()
        except (TimeoutError, *REPLICA_LOST):
            if is_awake:
                self._infos.pop(name, None)


async def _asleep(within_s: float) -> frozenset[str] | None:
    """Those of this replica's application that sleep; None, where Serve does not say in time."""
    try:
        name = serve.get_replica_context().app_name
        async with asyncio.timeout(within_s):
            status = await asyncio.to_thread(serve.status)
    except (TimeoutError, RayError, RayServeException):
        return None
    if name not in status.applications:
        return None
    return sleepers(status.applications[name].deployments)


def sleepers(deployments: Mapping[str, DeploymentStatusOverview]) -> frozenset[str]:
    """Those that are well and without a replica that answers: scaled to zero, on their way there,
    which Serve calls DOWNSCALING until the last one has stopped, or on their way back."""
    return frozenset(name for name, each in deployments.items() if _sleeps(each))


def _sleeps(deployment: DeploymentStatusOverview) -> bool:
    silent = _GONE | {"STARTING"} if deployment.status == "UPSCALING" else _GONE
    there = {state for state, count in deployment.replica_states.items() if count}
    return deployment.status in _WELL and there <= silent
