"""Streams that have lost their slot: how they seek another one, and when they give up."""

import asyncio
import random
from dataclasses import replace

import pytest

from serve_app.errors import AtCapacityError, ModelUnavailableError
from serve_app.pipelines.streaming.events import Finished, Partial
from serve_app.pipelines.streaming.fake import FakeHost
from tests.pipelines.streams import (
    LIMIT_S,
    SETTINGS,
    finals,
    heard,
    noise,
    opened,
)

STEP = 1280


async def test_a_stalled_replica_is_given_up():
    host = FakeHost(2, stall_s=0.05)
    async with opened(host) as (session, listener):
        next(replica for replica in host.replicas if replica.slots).stall()
        await session.feed(noise(random.Random(1), 2 * STEP))
        await session.finish()
        assert finals(await listener.all()) == finals(
            await heard(noise(random.Random(1), 2 * STEP))
        )
        assert session.num_moves == 1


async def test_a_stream_waits_for_a_slot_with_patience():
    host = FakeHost(2, num_slots=1)
    async with opened(host) as (session, listener), opened(host) as (other, other_listener):
        await session.feed(noise(random.Random(1), 2 * STEP))
        await listener.wait_for(Partial)
        mine = host.replicas[0]
        mine.kill()
        await session.finish()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(listener.task), 0.1)
        await other.finish()
        await other_listener.all()
        assert isinstance((await listener.all())[-1], Finished)


class AskedHost(FakeHost):
    """Notes who asked for a slot as one who counts."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.asked: asyncio.Queue[bool] = asyncio.Queue()

    async def open(self, options, *, is_demand=True):
        self.asked.put_nowait(is_demand)
        return await super().open(options, is_demand=is_demand)


async def test_a_stream_that_seeks_a_slot_counts_once_in_the_time_it_is_told_to_wait():
    host = AskedHost(2, num_slots=1)
    async with opened(host) as (session, listener), opened(host):
        assert [host.asked.get_nowait() for _ in range(2)] == [True] * 2
        host.replicas[0].kill()
        await session.feed(noise(random.Random(1), STEP))
        async with asyncio.timeout(LIMIT_S):
            asked = [await host.asked.get()]
            while sum(asked) < 2:
                asked.append(await host.asked.get())
        assert asked[0]
        assert len(asked) > 4
        host.start()
        await session.finish()
        assert isinstance((await listener.all())[-1], Finished)


@pytest.mark.parametrize(
    ("num_replicas", "error"), [(1, ModelUnavailableError), (2, AtCapacityError)]
)
async def test_patience_ends_with_what_was_in_the_way(num_replicas, error):
    host = FakeHost(num_replicas)
    async with opened(host, replace(SETTINGS, patience_s=0.2)) as (session, listener):
        taken = next(replica for replica in host.replicas if replica.slots)
        for replica in host.replicas:
            if replica is not taken:
                replica.drain()
        taken.kill()
        await session.feed(noise(random.Random(1), STEP))
        with pytest.raises(error):
            await listener.all()
        with pytest.raises(error):
            await session.feed(b"\0\0")
        with pytest.raises(error):
            await session.finish()
