"""Options that change under way: the stream keeps its slot, where others wait for one."""

import asyncio
import random
from contextlib import suppress

import pytest

from serve_app.errors import AtCapacityError
from serve_app.models.protocols import StreamOptions
from serve_app.pipelines.streaming.events import Final, Finished, Partial
from serve_app.pipelines.streaming.fake import FakeHost
from tests.pipelines.streams import LIMIT_S, finals, noise, opened, silence

STEP = 1280
GERMAN = StreamOptions(language="de")


async def _takes_whatever_is_free(host: FakeHost) -> None:
    while True:
        with suppress(AtCapacityError):
            await host.open(StreamOptions())
            return
        await asyncio.sleep(0)


async def test_a_stream_on_a_full_replica_keeps_its_slot_when_its_options_change():
    host = FakeHost(num_slots=1)
    async with opened(host) as (session, listener):
        robbing = asyncio.create_task(_takes_whatever_is_free(host))
        for number in range(20):
            session.configure(StreamOptions(language=f"x{number}"), None)
            await session.feed(noise(random.Random(number), 2 * STEP))
            await session.commit()
            await listener.wait_for(Final, number + 1)
            assert not robbing.done()
        robbing.cancel()
        await session.finish()
        told = finals(await listener.all())
        assert session.num_moves == 0
        assert host.num_opened == 1
    assert [final.segment.language for final in told] == [f"x{number}" for number in range(20)]


async def test_options_that_change_before_any_audio_take_no_second_slot():
    host = FakeHost(num_slots=4)
    async with opened(host) as (session, listener):
        session.configure(GERMAN, None)
        await session.feed(noise(random.Random(1), STEP))
        (partial,) = await listener.wait_for(Partial)
        assert (partial.confirmed + partial.tentative).swapcase().startswith("de")
        assert host.num_slots_taken == host.num_opened == 1


@pytest.mark.parametrize("what", ["kill", "close"])
async def test_a_replica_that_dies_or_a_session_that_closes_in_the_middle_of_it(what):
    host = FakeHost(num_slots=1)
    (replica,) = host.replicas
    async with opened(host) as (session, listener):
        replica.stall()
        session.configure(GERMAN, None)
        await session.feed(noise(random.Random(1), STEP))
        async with asyncio.timeout(LIMIT_S):
            await replica.in_exchange.wait()
        if what == "kill":
            host.start()
            replica.kill()
            await session.finish()
            (final,) = finals(await listener.all())
            assert final.segment.language == "de"
            assert session.num_moves == 1
        else:
            await session.close()
    assert host.num_slots_taken == 0


async def test_options_change_and_replicas_drain_where_a_segment_was_cut():
    options = StreamOptions(language="en", blank_s=0.48)
    pcm = noise(random.Random(4), 3 * STEP) + silence(6 * STEP)
    for drains in (False, True):
        host = FakeHost(2)
        async with opened(host, options=options) as (session, listener):
            await session.feed(pcm)
            await listener.wait_for(Final)
            if drains:
                next(replica for replica in host.replicas if replica.slots).drain()
            session.configure(StreamOptions(language="de", blank_s=0.48), None)
            await session.feed(pcm)
            await session.finish()
            events = await listener.all()
            assert session.num_moves == drains
        first, second = (final for final in finals(events) if final.segment.text)
        assert (first.segment.language, second.segment.language) == ("en", "de")
        assert isinstance(events[-1], Finished)
        assert 3 * STEP / 16_000 <= first.end_s <= 9 * STEP / 16_000
        assert all(word.text.startswith("de") for word in second.segment.words)
        starts = [round(word.start_s * 16_000) for word in second.segment.words]
        assert starts == [9 * STEP, 10 * STEP, 11 * STEP]
