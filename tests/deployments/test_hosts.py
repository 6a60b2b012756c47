"""Where a stream goes: over links to several replicas in the same process."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from serve_app.config import ModelConfig
from serve_app.deployments.links import running
from serve_app.deployments.links.host import ServeStreamHost
from serve_app.deployments.streaming.slots import Slots
from serve_app.errors import AtCapacityError, ModelUnavailableError
from serve_app.models.protocols import ModelInfo, StreamOptions
from serve_app.pipelines.streaming.host import SlotFrame, SlotLostError
from tests.deployments.echo import EchoRecognizer, frame_pcm, word
from tests.deployments.local_replica import LocalReplica

ENGLISH = StreamOptions("en")


@dataclass
class LocalDeployment:
    """See `Deployment`."""

    name: str
    replicas: dict[str, LocalReplica] = field(default_factory=dict)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when somebody wants a replica, whichever."""
    published: set[str] = field(default_factory=set)

    def replica(self, name: str) -> LocalReplica:
        return self.replicas[name]

    async def info(self) -> ModelInfo:
        self.asked.set()
        raise SlotLostError("none is there")

    def start(self, *names: str) -> None:
        for name in names:
            model = EchoRecognizer(num_slots=2)
            self.replicas[name] = LocalReplica(model, Slots(model, max_waiting_frames=64))
        self.publish(*self.published, *names)

    def publish(self, *names: str) -> None:
        self.published = set(names)
        running.publish(self.name, frozenset(names))

    def in_use(self) -> dict[str, int]:
        return {name: each.slots.num_in_use for name, each in self.replicas.items()}


@pytest.fixture
async def deployment(request: pytest.FixtureRequest) -> AsyncIterator[LocalDeployment]:
    deployment = LocalDeployment(request.node.name)
    yield deployment
    deployment.publish()
    for replica in deployment.replicas.values():
        await replica.slots.close()


@pytest.fixture
async def host(deployment: LocalDeployment) -> AsyncIterator[ServeStreamHost]:
    streaming = {"num_slots": 2, "cold_start_s": 5.0}
    model = {"name": "echo", "kind": "simulated", "streaming": streaming}
    config = ModelConfig.model_validate(model).model_copy(update={"name": deployment.name})
    host = ServeStreamHost(config, deployment, tick_s=0.001)
    yield host
    await host.close()


async def test_a_stream_goes_to_the_emptiest_replica(
    deployment: LocalDeployment, host: ServeStreamHost
) -> None:
    deployment.start("a", "b")
    for _ in range(2):
        await host.open(ENGLISH)
    assert deployment.in_use() == {"a": 1, "b": 1}
    assert host.info is not None


async def test_streams_at_once_fill_all_replicas_and_one_more_is_refused_at_once(
    deployment: LocalDeployment, host: ServeStreamHost
) -> None:
    deployment.start("a", "b")
    slots = await asyncio.gather(*(host.open(ENGLISH) for _ in range(4)))
    async with asyncio.timeout(1.0):
        with pytest.raises(AtCapacityError):
            await host.open(ENGLISH)
    with pytest.raises(AtCapacityError):
        await host.open(ENGLISH, is_demand=False)
    assert sum(each.slots.num_refused for each in deployment.replicas.values()) == 1
    await slots[0].close()
    async with asyncio.timeout(5.0):
        while True:
            try:
                await host.open(ENGLISH)
                break
            except AtCapacityError:
                continue


async def test_nobody_is_refused_while_a_replica_is_only_being_met(
    deployment: LocalDeployment, host: ServeStreamHost
) -> None:
    deployment.start("a", "late")
    deployment.replicas["late"].may_attach.clear()
    for _ in range(2):
        await host.open(ENGLISH)
    waiting = asyncio.create_task(host.open(ENGLISH))
    await asyncio.wait({waiting}, timeout=0.1)
    assert not waiting.done()
    deployment.replicas["late"].may_attach.set()
    await asyncio.wait_for(waiting, 5)
    assert deployment.in_use() == {"a": 2, "late": 1}


async def test_who_is_refused_by_one_asks_those_that_came_meanwhile(
    deployment: LocalDeployment, host: ServeStreamHost
) -> None:
    deployment.start("a", "b")
    a, b = deployment.replicas["a"], deployment.replicas["b"]
    b.may_attach.clear()
    first = await host.open(ENGLISH)
    a.may_answer.clear()
    waiting = asyncio.gather(*(host.open(ENGLISH) for _ in range(3)))
    async with asyncio.timeout(5):
        while not (await a.heard.get()).opened:
            continue
        while len((await a.heard.get()).opened) < 3:
            continue
    b.may_attach.set()
    await asyncio.wait_for(b.attached.wait(), 5)
    a.may_answer.set()
    await asyncio.wait_for(waiting, 5)
    assert deployment.in_use() == {"a": 2, "b": 2}
    await first.close()


async def test_where_no_replica_is_one_is_asked_for_and_waited_for(
    deployment: LocalDeployment, host: ServeStreamHost
) -> None:
    waiting = asyncio.create_task(host.open(ENGLISH))
    await asyncio.wait_for(deployment.asked.wait(), 5)
    assert not waiting.done()
    deployment.start("a")
    slot = await asyncio.wait_for(waiting, 5)
    slot.send(SlotFrame(frame_pcm(1)))
    assert (await slot.receive()).confirmed == word(frame_pcm(1))


async def test_who_waits_too_long_for_a_replica_is_told(deployment: LocalDeployment) -> None:
    streaming = {"cold_start_s": 0.05}
    model = {"name": "echo", "kind": "simulated", "streaming": streaming}
    host = ServeStreamHost(ModelConfig.model_validate(model), deployment, tick_s=0.001)
    with pytest.raises(ModelUnavailableError):
        await host.open(ENGLISH)
    await host.close()


async def test_streams_of_a_replica_that_drains_are_asked_to_leave_and_new_ones_go_elsewhere(
    deployment: LocalDeployment, host: ServeStreamHost
) -> None:
    deployment.start("a", "b")
    first, second = [await host.open(ENGLISH) for _ in range(2)]
    deployment.publish("a")
    await asyncio.sleep(0)
    assert sorted([first.is_leaving, second.is_leaving]) == [False, True]
    await host.open(ENGLISH)
    assert deployment.in_use() == {"a": 2, "b": 1}


async def test_a_link_that_breaks_is_made_again_while_its_replica_runs(
    deployment: LocalDeployment, host: ServeStreamHost
) -> None:
    deployment.start("a")
    slot = await host.open(ENGLISH)
    for attachment in deployment.replicas["a"].attachments.values():
        attachment.close()
    with pytest.raises(SlotLostError):
        await asyncio.wait_for(slot.receive(), 5)
    await asyncio.wait_for(host.open(ENGLISH), 5)
