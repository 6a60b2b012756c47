"""Replicas that die, drain, stall and fill under a stream, and what is told of it all the same."""

import asyncio
import itertools
import random
from collections import Counter
from dataclasses import replace

import pytest

from serve_app.errors import EngineError
from serve_app.models.protocols import StreamOptions
from serve_app.pipelines.streaming.events import Final, Finished, Partial
from serve_app.pipelines.streaming.fake import FakeHost, FakeReplica
from serve_app.pipelines.streaming.session import StreamSession
from tests.pipelines.streams import (
    LIMIT_S,
    SETTINGS,
    WATCHED,
    Listener,
    finals,
    heard,
    noise,
    opened,
    silence,
    speech,
    split,
)

STEP = 1280
BLANKS = StreamOptions(language="en", blank_s=0.24)

Script = list[tuple[str, bytes]]
"""What a client does: ("feed", pcm), or ("commit", "discard" or "configure", nothing)."""


def script_of(rng: random.Random) -> Script:
    script: Script = []
    for piece in split(rng, speech(rng, rng.randrange(1, 8)), rng.choice([400, 3_000, 40_000])):
        script.append(("feed", piece))
        if rng.random() < 0.03:
            script.append((rng.choice(["commit", "commit", "discard"]), b""))
        if rng.random() < 0.03:
            script.append(("configure", b""))
    return script


def disturb(rng: random.Random, host: FakeHost) -> None:
    """Do something to the replicas, leaving one at least that takes streams."""
    occupied = [replica for replica in host.replicas if replica.is_alive and replica.slots]
    replica: FakeReplica = rng.choice(occupied or host.replicas)
    match rng.choice(["kill", "kill", "drain", "stall", "resume", "doom"]):
        case "kill":
            replica.kill()
        case "drain":
            replica.drain()
        case "stall":
            replica.stall()
            asyncio.get_running_loop().call_later(rng.uniform(0, 0.01), replica.resume)
        case "doom":
            replica.steps_to_live = rng.randrange(30)
        case "resume":
            replica.resume()
    if not any(one.has_room and one.steps_to_live is None for one in host.replicas):
        host.start()


async def play(script: Script, host: FakeHost, rng: random.Random | None, **how) -> list:
    chance = min(0.5, 5 / len(script))
    options = how["options"]
    languages = itertools.cycle(["de", "fr", "en"])
    async with opened(host, **how) as (session, listener):
        listener.discards = any(what == "discard" for what, _ in script)
        for what, pcm in script:
            if rng is not None and rng.random() < chance:
                disturb(rng, host)
            if rng is not None and rng.random() < 0.3:
                await asyncio.sleep(0)
            if what == "feed":
                await session.feed(pcm)
            elif what == "commit":
                await session.commit()
            elif what == "configure":
                session.configure(
                    replace(options, language=next(languages)), how["settings"].voice_activity
                )
            else:
                await session.discard()
        await session.finish()
        events = await listener.all()
        assert session.num_contradictions == 0
        assert rng is None or host.num_opened == session.num_moves + 1
    return events


@pytest.mark.parametrize("how", ["unwatched", "watched", "blanks", "discards", "options"])
async def test_whatever_befalls_the_replicas_the_finals_are_the_same(how):
    num_moved = 0
    arguments = {
        "settings": WATCHED if how == "watched" else SETTINGS,
        "options": BLANKS if how in ("blanks", "options") else StreamOptions(language="en"),
    }
    for seed in range(100):
        script = script_of(random.Random(seed))
        # what a model ends by itself before a discard depends on its pace
        max_segment_steps = 10_000 if how == "discards" else 40
        if how != "discards":
            script = [line for line in script if line[0] != "discard"]
        if how != "options":
            script = [line for line in script if line[0] != "configure"]
        alone = FakeHost(max_segment_steps=max_segment_steps)
        expected = finals(await play(script, alone, None, **arguments))
        host = FakeHost(2, num_slots=1, max_segment_steps=max_segment_steps)
        events = await play(script, host, random.Random(seed), **arguments)
        assert finals(events) == expected, seed
        assert isinstance(events[-1], Finished)
        num_moved += host.num_opened - 1
    assert num_moved > 100


async def test_many_streams_on_replicas_that_die_each_get_their_own_words():
    host = FakeHost(3, num_slots=10)

    async def stream(seed: int) -> None:
        pcm = speech(random.Random(seed), 4)
        async with asyncio.timeout(LIMIT_S):
            events = await asyncio.shield(_fed(host, pcm, random.Random(seed)))
        assert finals(events) == finals(await heard(pcm, options=BLANKS))

    async def kill() -> None:
        rng = random.Random(1)
        for _ in range(30):
            await asyncio.sleep(0.01)
            rng.choice([replica for replica in host.replicas if replica.is_alive]).kill()
            host.start()

    await asyncio.gather(kill(), *(stream(seed) for seed in range(20)))
    assert host.num_slots_taken == 0


async def _fed(host: FakeHost, pcm: bytes, rng: random.Random) -> list:
    session = await StreamSession.open(host, BLANKS, SETTINGS)
    listener = Listener(session)
    for piece in split(rng, pcm, 3_000):
        await session.feed(piece)
        await asyncio.sleep(0.002)
    await session.finish()
    events = await listener.all()
    await session.close()
    return events


async def test_a_replay_tells_no_partial_twice():
    host = FakeHost(2)
    async with opened(host) as (session, listener):
        for seed in range(8):
            await session.feed(noise(random.Random(seed), 3 * STEP))
            await listener.wait_until_heard((seed + 1) * 3 * STEP)
            host.start()
            next(replica for replica in host.replicas if replica.slots).kill()
        await session.finish()
        await listener.all()
    told = Counter((partial.confirmed, partial.tentative) for partial in listener.of(Partial))
    assert set(told.values()) == {1}


async def test_a_stream_leaves_a_draining_replica_at_the_next_end_of_a_segment():
    host = FakeHost(2)
    async with opened(host) as (session, listener):
        old = next(replica for replica in host.replicas if replica.slots)
        await session.feed(noise(random.Random(1), 2 * STEP))
        await listener.wait_for(Partial)
        old.drain()
        await session.feed(noise(random.Random(2), 2 * STEP))
        await listener.wait_for(Partial, 2)
        assert old.slots
        await session.commit()
        await listener.wait_for(Final)
        await session.feed(noise(random.Random(3), STEP))
        await listener.wait_for(Partial, 3)
        assert not old.slots
        assert session.num_moves == 1


async def test_an_idle_stream_leaves_a_draining_replica_without_being_fed():
    host = FakeHost(2)
    async with opened(host):
        old = next(replica for replica in host.replicas if replica.slots)
        old.drain()
        async with asyncio.timeout(LIMIT_S):
            await old.emptied.wait()
        assert host.num_slots_taken == 1


async def test_a_stream_stays_with_a_draining_replica_where_no_other_has_a_slot():
    host = FakeHost(1)
    async with opened(host) as (session, listener):
        host.replicas[0].drain()
        await session.feed(noise(random.Random(1), 2 * STEP))
        await session.commit()
        await session.finish()
        assert isinstance((await listener.all())[-1], Finished)
        assert session.num_moves == 0


async def test_a_frame_that_kills_whoever_hears_it_ends_its_stream_after_a_few_deaths():
    host = FakeHost(20)
    deadly = noise(random.Random(13), STEP)
    for replica in host.replicas:
        replica.deadly_pcm = deadly
    async with opened(host) as (session, listener):
        await session.feed(noise(random.Random(1), 3 * STEP) + deadly)
        with pytest.raises(EngineError):
            await listener.all()
    assert sum(not replica.is_alive for replica in host.replicas) == 5


async def test_a_model_that_takes_its_words_back_does_not_take_back_what_was_told():
    host = FakeHost(2)
    pcm = noise(random.Random(1), 3 * STEP)
    async with opened(host) as (session, listener):
        await session.feed(pcm)
        await listener.wait_for(Partial)
        told = listener.of(Partial)[-1].confirmed
        host.spelling = "other"
        next(replica for replica in host.replicas if replica.slots).kill()
        await session.feed(silence(STEP))
        await session.finish()
        (final,) = finals(await listener.all())
        assert session.num_contradictions > 0
    assert final.segment.text.startswith(told)
    assert len(final.segment.text.split()) == 3
