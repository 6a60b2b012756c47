"""Links over attachments in the same process: all but Ray's calls between them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import pytest

from serve_app.deployments.links.link import Link, LinkReport, LinkSettings
from serve_app.deployments.links.slot import LinkSlot
from serve_app.deployments.streaming.attachment import Opening, Push, Told
from serve_app.deployments.streaming.slots import Slots
from serve_app.errors import AtCapacityError
from serve_app.models.protocols import StreamOptions
from serve_app.pipelines.streaming.host import SlotFrame, SlotLostError
from tests.deployments.echo import EchoRecognizer, frame_pcm, word
from tests.deployments.local_replica import LocalReplica

ENGLISH = StreamOptions("en")


@pytest.fixture
async def replica() -> AsyncIterator[LocalReplica]:
    model = EchoRecognizer()
    slots = Slots(model, max_waiting_frames=64)
    yield LocalReplica(model, slots)
    model.may_step.set()
    await slots.close()


@dataclass
class Linked:
    link: Link
    running: asyncio.Task[None]
    reports: list[LinkReport]


@asynccontextmanager
async def linked(replica: LocalReplica, *, stall_s: float = 10.0) -> AsyncIterator[Linked]:
    reports: list[LinkReport] = []
    changed = asyncio.Event()
    link = Link(replica, LinkSettings(0.001, stall_s, reports.append, changed.set))
    running = asyncio.create_task(link.run())
    await asyncio.wait_for(changed.wait(), 10)
    yield Linked(link, running, reports)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def says(slot: LinkSlot, numbers: range) -> None:
    for number in numbers:
        text = await asyncio.wait_for(slot.receive(), 10)
        assert text.confirmed.split()[-1] == word(frame_pcm(number))


async def test_frames_of_many_streams_travel_together_and_texts_come_back_in_order() -> None:
    model = EchoRecognizer(num_slots=100)
    slots = Slots(model, max_waiting_frames=64)
    replica = LocalReplica(model, slots)
    async with linked(replica) as each:
        assert each.link.info == model.info
        opened = [await each.link.open(ENGLISH, is_demand=True) for _ in range(100)]
        for number in range(20):
            for index, slot in enumerate(opened):
                slot.send(SlotFrame(frame_pcm(100 * index + number)))
        for index, slot in enumerate(opened):
            await says(slot, range(100 * index, 100 * index + 20))
        assert len([push for push in replica.pushes if push.frames]) < 40
    assert slots.num_in_use == 0
    await slots.close()


class Stammering(LocalReplica):
    """Tells each text twice, the second time in a message of its own."""

    async def attach(self, link: str) -> AsyncGenerator[Told, None]:
        async with aclosing(super().attach(link)) as news:
            async for told in news:
                yield told
                if told.texts:
                    yield told


async def test_a_text_too_many_ends_no_link() -> None:
    model = EchoRecognizer()
    slots = Slots(model, max_waiting_frames=64)
    async with linked(Stammering(model, slots)) as each:
        slot = await each.link.open(ENGLISH, is_demand=True)
        for number in range(5):
            slot.send(SlotFrame(frame_pcm(number)))
            await says(slot, range(number, number + 1))
        assert each.link.takes_streams
        assert each.reports == []
    await slots.close()


async def test_a_replay_goes_in_pushes_of_bounded_size(replica: LocalReplica) -> None:
    async with linked(replica) as each:
        many, few = [await each.link.open(ENGLISH, is_demand=True) for _ in range(2)]
        big = SlotFrame(frame_pcm(1))
        for _ in range(60):
            many.send(big)
        few.send(SlotFrame(frame_pcm(2)))
        await says(few, range(2, 3))
        for _ in range(60):
            await many.receive()
        sizes = [sum(len(frame.pcm) for _, frame in push.frames) for push in replica.pushes]
        assert max(sizes) <= 1024 * 1024 + len(big.pcm)


async def test_a_full_replica_refuses_and_counts_the_demand_once(replica: LocalReplica) -> None:
    async with linked(replica) as each:
        for _ in range(4):
            await each.link.open(ENGLISH, is_demand=True)
        for is_demand in (False, True):
            with pytest.raises(AtCapacityError):
                await each.link.open(ENGLISH, is_demand=is_demand)
        assert replica.slots.num_refused == 1


async def test_a_slot_is_exchanged_for_one_with_other_options_while_others_wait(
    replica: LocalReplica,
) -> None:
    async with linked(replica) as one, linked(replica) as other:
        first, *_ = [await one.link.open(ENGLISH, is_demand=True) for _ in range(4)]
        robbing = [asyncio.create_task(_opens(each.link)) for each in (one, other)]
        slot = first
        for number in range(20):
            slot.send(SlotFrame(frame_pcm(99)))  # nobody waits for its text
            old, slot = slot, await slot.exchange(StreamOptions("de"))
            with pytest.raises(SlotLostError, match="exchanged"):
                old.send(SlotFrame(frame_pcm(98)))
            slot.send(SlotFrame(frame_pcm(number)))
            assert (await slot.receive()).confirmed == word(frame_pcm(number))
            await old.close()
        assert not any(task.done() for task in robbing)
        assert replica.slots.num_in_use == 4
        await slot.close()
        await asyncio.wait(robbing, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        for task in robbing:
            task.cancel()


async def test_an_exchange_that_is_given_up_or_that_the_model_refuses_leaves_no_slot_taken(
    replica: LocalReplica,
) -> None:
    async with linked(replica) as each:
        for wait_until_pushed in (False, True):
            slot = await each.link.open(ENGLISH, is_demand=True)
            replica.may_answer.clear()
            exchanging = asyncio.create_task(slot.exchange(StreamOptions("de")))
            await asyncio.sleep(0)
            while wait_until_pushed and not (await replica.heard.get()).opened:
                continue
            exchanging.cancel()
            with pytest.raises(asyncio.CancelledError):
                await exchanging
            replica.may_answer.set()
            held = [await each.link.open(ENGLISH, is_demand=True) for _ in range(4)]
            assert replica.slots.num_in_use == 4
            for one in held:
                await one.close()
            while not replica.heard.empty():
                replica.heard.get_nowait()
        slot = await each.link.open(ENGLISH, is_demand=True)
        unfit = await slot.exchange(StreamOptions("xx"))
        with pytest.raises(SlotLostError, match="did not take it"):
            await asyncio.wait_for(unfit.receive(), 10)
        assert replica.slots.num_in_use == 0


async def test_a_replica_that_dies_in_the_middle_of_an_exchange_loses_the_slot(
    replica: LocalReplica,
) -> None:
    async with linked(replica) as each:
        slot = await each.link.open(ENGLISH, is_demand=True)
        replica.may_answer.clear()
        exchanging = asyncio.create_task(slot.exchange(StreamOptions("de")))
        while not any(o.instead_of is not None for o in (await replica.heard.get()).opened):
            continue
        replica.died.set()
        with pytest.raises(SlotLostError):
            await asyncio.wait_for(exchanging, 10)
        with pytest.raises(SlotLostError):
            await slot.exchange(ENGLISH)
        assert replica.slots.num_in_use == 0


async def test_a_slot_given_up_is_free_for_other_ingresses(replica: LocalReplica) -> None:
    async with linked(replica) as one, linked(replica) as other:
        held = [await one.link.open(ENGLISH, is_demand=True) for _ in range(4)]
        await held[0].close()
        await held[0].close()
        await asyncio.wait_for(_opens(other.link), 10)


async def _opens(link: Link) -> LinkSlot:
    while True:
        try:
            return await link.open(ENGLISH, is_demand=True)
        except AtCapacityError:
            continue


async def test_an_open_that_is_given_up_leaves_no_slot_taken(replica: LocalReplica) -> None:
    async with linked(replica) as each:
        opening = asyncio.create_task(each.link.open(ENGLISH, is_demand=True))
        await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        held = [await each.link.open(ENGLISH, is_demand=True) for _ in range(4)]
        assert len(held) == replica.slots.num_in_use == 4


async def test_a_replica_that_dies_loses_its_streams_at_once(replica: LocalReplica) -> None:
    async with linked(replica) as each:
        slot = await each.link.open(ENGLISH, is_demand=True)
        slot.send(SlotFrame(frame_pcm(1)))
        await says(slot, range(1, 2))
        replica.died.set()
        with pytest.raises(SlotLostError, match="killed"):
            await asyncio.wait_for(slot.receive(), 10)
        with pytest.raises(SlotLostError):
            slot.send(SlotFrame(frame_pcm(2)))
        await slot.close()
        await asyncio.wait_for(each.running, 10)
        assert each.reports == [LinkReport(1, "gone")]
        assert replica.slots.num_in_use == 0


async def test_a_replica_that_owes_texts_for_too_long_is_given_up(replica: LocalReplica) -> None:
    async with linked(replica, stall_s=0.2) as each:
        replica.model.may_step.clear()
        slot = await each.link.open(ENGLISH, is_demand=True)
        slot.send(SlotFrame(frame_pcm(1)))
        with pytest.raises(SlotLostError, match="owes texts"):
            await asyncio.wait_for(slot.receive(), 10)
        assert each.reports == [LinkReport(1, "stalled")]


async def test_a_stream_that_is_silent_is_owed_nothing(replica: LocalReplica) -> None:
    async with linked(replica, stall_s=0.1) as each:
        slot = await each.link.open(ENGLISH, is_demand=True)
        for _ in range(8):  # a beat is a quarter of a stall
            await asyncio.wait_for(replica.heard.get(), 10)
        slot.send(SlotFrame(frame_pcm(1)))
        await says(slot, range(1, 2))


async def test_a_replica_that_answers_no_push_is_given_up(replica: LocalReplica) -> None:
    async with linked(replica, stall_s=0.2) as each:
        slot = await each.link.open(ENGLISH, is_demand=True)
        replica.may_answer.clear()
        slot.send(SlotFrame(frame_pcm(1)))
        with pytest.raises(SlotLostError):
            await asyncio.wait_for(slot.receive(), 10)


async def test_who_wants_a_slot_does_not_wait_for_a_replica_that_is_deaf(
    replica: LocalReplica,
) -> None:
    async with linked(replica) as each:
        replica.may_answer.clear()
        with pytest.raises(SlotLostError, match="does not answer"):
            await asyncio.wait_for(each.link.open(ENGLISH, is_demand=True), 5)


async def test_a_link_to_a_replica_that_drains_ends_with_its_last_stream(
    replica: LocalReplica,
) -> None:
    async with linked(replica) as each:
        slot = await each.link.open(ENGLISH, is_demand=True)
        each.link.leave()
        assert slot.is_leaving
        with pytest.raises(SlotLostError):
            await each.link.open(ENGLISH, is_demand=True)
        slot.send(SlotFrame(frame_pcm(1), is_last=True))
        await says(slot, range(1, 2))
        assert not each.running.done()
        await slot.close()
        await asyncio.wait_for(each.running, 10)
        assert each.reports == [LinkReport(1, "leaving")]


async def test_an_ingress_that_is_silent_gives_its_slots_back(replica: LocalReplica) -> None:
    replica.lease_s = 0.05
    async with aclosing(replica.attach("silent")) as news:
        await anext(news)
        push = Push(opened=(Opening(1, ENGLISH, True), Opening(2, ENGLISH, True)))
        assert (await replica.push("silent", push)).refused == frozenset()
        assert replica.slots.num_in_use == 2
        async with asyncio.timeout(10):
            assert [told.texts async for told in news]
        assert replica.slots.num_in_use == 0
