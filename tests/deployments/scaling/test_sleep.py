"""Who sleeps is neither woken by being asked after, nor forgotten."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from ray.serve.exceptions import DeploymentUnavailableError
from ray.serve.schema import DeploymentStatusOverview, DeploymentStatusTrigger

from serve_app.deployments.scaling.sleep import RollCall, sleepers
from serve_app.models.protocols import ModelInfo

WAITING_S = 0.05


@pytest.mark.parametrize(
    ("status", "replicas", "sleeps"),
    [
        ("HEALTHY", {}, True),
        ("HEALTHY", {"RUNNING": 0}, True),
        ("DOWNSCALING", {"STOPPING": 2}, True),  # it drains
        ("UPSCALING", {"STOPPING": 1, "STARTING": 1}, True),  # somebody else has woken it
        ("HEALTHY", {"RUNNING": 1}, False),
        ("DOWNSCALING", {"STOPPING": 2, "RUNNING": 1}, False),
        ("UPSCALING", {"STARTING": 1, "RUNNING": 1}, False),
        ("UPDATING", {"STARTING": 1}, False),
        ("UNHEALTHY", {"STOPPING": 1}, False),  # it has lost its replicas
        ("DEPLOY_FAILED", {}, False),
    ],
)
def test_who_is_well_and_has_no_replica_that_answers_sleeps(
    status: Any, replicas: dict[Any, int], sleeps: bool
) -> None:
    overview = DeploymentStatusOverview(
        status=status,
        status_trigger=DeploymentStatusTrigger.UNSPECIFIED,
        replica_states=replicas,
        message="",
    )
    assert sleepers({"model": overview}) == ({"model"} if sleeps else set())


class Model:
    """Called as a handle is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.num_asked = 0
        self.failure: Exception | None = None
        self.is_silent = False

    @property
    def info(self) -> "Model":
        return self

    async def remote(self) -> ModelInfo:
        self.num_asked += 1
        if self.is_silent:
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure
        return ModelInfo(self.name, "test", ("en",))


class Scene:
    """Two models, and what Serve will say."""

    def __init__(self) -> None:
        self.models = {name: Model(name) for name in ("a", "b")}
        self.said: frozenset[str] | None = frozenset()
        self.roll_call = RollCall(
            ("a", "b"),
            self.models,  # type: ignore[arg-type]  # no handles of Ray's
            within_s=WAITING_S,
            asleep=self._asleep,
        )

    async def _asleep(self, within_s: float) -> frozenset[str] | None:
        assert within_s < WAITING_S  # some is left to ask
        return self.said

    async def names(self) -> Sequence[str]:
        return [info.name for info in await asyncio.wait_for(self.roll_call.infos(), 5)]


async def test_a_sleeper_that_is_known_is_not_asked() -> None:
    scene = Scene()
    assert await scene.names() == ["a", "b"]
    scene.said = frozenset({"b"})
    scene.models["b"].is_silent = True
    assert await scene.names() == ["a", "b"]
    assert scene.models["b"].num_asked == 1


async def test_one_that_is_awake_and_silent_has_no_entry_until_it_answers() -> None:
    scene = Scene()
    await scene.names()
    scene.models["b"].is_silent = True
    scene.models["a"].failure = DeploymentUnavailableError("a")  # type: ignore[arg-type]  # any id
    assert await scene.names() == []
    scene.models["b"].is_silent = False
    assert await scene.names() == ["b"]


async def test_while_serve_does_not_say_who_sleeps_what_it_said_last_stands() -> None:
    scene = Scene()
    await scene.names()
    scene.said = frozenset({"b"})
    await scene.names()
    scene.said = None
    scene.models["a"].is_silent = True  # it may have fallen asleep meanwhile
    assert await scene.names() == ["a", "b"]
    assert scene.models["b"].num_asked == 1
