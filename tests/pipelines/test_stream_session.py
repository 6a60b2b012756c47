"""A stream that nothing happens to: what is told of it, and what it may keep waiting."""

import asyncio
import random
from dataclasses import replace

import pytest

from serve_app.errors import AtCapacityError, AudioTooLongError
from serve_app.models.protocols import StreamOptions
from serve_app.pipelines.streaming.events import (
    Final,
    Finished,
    Partial,
    SpeechStarted,
    SpeechStopped,
)
from serve_app.pipelines.streaming.fake import FakeHost
from serve_app.pipelines.streaming.session import StreamSession
from tests.pipelines.streams import (
    LIMIT_S,
    SETTINGS,
    WATCHED,
    finals,
    heard,
    noise,
    opened,
    silence,
    speech,
    split,
)

STEP = 1280


@pytest.mark.parametrize("settings", [SETTINGS, WATCHED], ids=["unwatched", "watched"])
async def test_packets_of_any_length_give_the_same_events(settings):
    rng = random.Random(1)
    pcm = speech(rng, 6)
    expected = [event for event in await heard(pcm, settings) if not isinstance(event, Partial)]
    for seed in range(40):
        rng = random.Random(seed)
        async with opened(FakeHost(), settings) as (session, listener):
            for piece in split(rng, pcm, rng.choice([30, 700, 5_000, 90_000])):
                await session.feed(piece)
            await session.finish()
            events = await listener.all()
        assert [event for event in events if not isinstance(event, Partial)] == expected


async def test_a_partial_is_told_only_when_it_says_something_else():
    async with opened(FakeHost()) as (session, listener):
        await session.feed(noise(random.Random(1), STEP) + silence(9 * STEP))
        await session.finish()
        partials = [event for event in await listener.all() if isinstance(event, Partial)]
    assert len(partials) == len({(partial.confirmed, partial.tentative) for partial in partials})


async def test_words_and_segments_are_told_in_the_time_of_a_resumed_stream():
    pcm = noise(random.Random(1), 3 * STEP)
    (plain,) = finals(await heard(pcm))
    (later,) = finals(await heard(pcm, replace(SETTINGS, offset_s=100.0)))
    assert later.end_s == pytest.approx(plain.end_s + 100)
    starts = [word.start_s for word in later.segment.words]
    assert starts == pytest.approx([100, 100.08, 100.16])
    assert later.segment.start_s == 100
    assert later.segment.text == plain.segment.text


async def test_speech_is_told_to_begin_and_to_stop_and_its_end_ends_the_utterance():
    pcm = silence(8_000) + noise(random.Random(1), 16_000) + silence(8_000)
    events = await heard(pcm + pcm, WATCHED)
    told = [event for event in events if not isinstance(event, Partial)]
    assert [type(event) for event in told] == [
        *[SpeechStarted, SpeechStopped, Final] * 2,
        Finished,
    ]
    assert told[0].at_s == pytest.approx(0.5 - 0.05, abs=0.04)
    assert told[1].at_s == pytest.approx(1.5, abs=0.04)
    assert told[2].end_s == pytest.approx(1.6, abs=0.04)
    assert told[2].ends_utterance
    assert told[2].segment.text


async def test_a_commit_ends_the_utterance_even_if_nothing_was_fed():
    async with opened(FakeHost()) as (session, listener):
        await session.commit()
        await session.feed(noise(random.Random(1), 700))
        await session.commit()
        await session.commit()
        told = await listener.wait_for(Final, 3)
    assert [final.ends_utterance for final in told] == [True] * 3
    assert [bool(final.segment.text) for final in told] == [False, True, False]


async def test_a_segment_that_the_model_ends_does_not_end_the_utterance():
    options = StreamOptions(language="en", blank_s=0.16)
    pcm = noise(random.Random(1), STEP) + silence(5 * STEP)
    told = finals(await heard(pcm * 2, options=options))
    assert [final.ends_utterance for final in told] == [False, False, True]


async def test_what_is_discarded_is_never_told_and_the_rest_is():
    rng = random.Random(1)
    first, second, third = (noise(rng, 5_000) for _ in range(3))
    host = FakeHost()
    async with opened(host) as (session, listener):
        host.replicas[0].stall()
        await session.feed(first)
        await session.commit()
        await session.feed(second)
        await session.discard()
        await session.discard()
        await session.feed(third)
        await session.finish()
        host.replicas[0].resume()
        told = finals(await listener.all())
    alone = [finals(await heard(pcm))[0].segment.text for pcm in (first, third)]
    assert [final.segment.text for final in told] == alone


async def test_other_options_hold_from_the_next_segment_on():
    pcm = noise(random.Random(1), 5_000)
    async with opened(FakeHost()) as (session, listener):
        await session.feed(pcm)
        session.configure(StreamOptions(language="de"), None)
        await session.feed(pcm)
        await session.commit()
        await session.feed(pcm)
        await session.finish()
        told = finals(await listener.all())
    assert [final.segment.language for final in told] == ["en", "de"]


async def test_a_stream_may_be_finished_and_closed_more_than_once():
    async with opened(FakeHost()) as (session, listener):
        await session.feed(noise(random.Random(1), 5_000))
        await session.finish()
        await session.finish()
        events = await listener.all()
        await session.feed(b"\0\0")
        await session.commit()
        await session.close()
        await session.close()
    assert isinstance(events[-1], Finished)
    assert events[-1].heard_s == pytest.approx(5_000 / 16_000)


async def test_a_stream_that_is_too_long_is_refused_and_can_still_be_finished():
    async with opened(FakeHost(), replace(SETTINGS, max_stream_s=1.0)) as (session, listener):
        await session.feed(noise(random.Random(1), 16_000))
        with pytest.raises(AudioTooLongError):
            await session.feed(b"\0\0")
        await session.finish()
        assert isinstance((await listener.all())[-1], Finished)


async def test_no_free_slot_is_told_at_once():
    host = FakeHost(num_slots=1)
    async with opened(host):
        with pytest.raises(AtCapacityError):
            await StreamSession.open(host, StreamOptions(), SETTINGS)


async def test_audio_that_comes_too_fast_waits_and_no_more_of_it_is_held():
    host = FakeHost()
    async with opened(host) as (session, listener):
        (replica,) = host.replicas
        replica.stall()
        feeding = asyncio.create_task(session.feed(noise(random.Random(1), 20 * 16_000)))
        (slot,) = replica.slots
        for _ in range(1000):
            await asyncio.sleep(0)  # lets it run as far as it may
        assert slot.num_waiting == 25  # 2 s of steps
        assert not feeding.done()
        replica.resume()
        async with asyncio.timeout(LIMIT_S):
            await feeding
        await session.finish()
        assert isinstance((await listener.all())[-1], Finished)


async def test_events_that_nobody_reads_hold_the_feed_back():
    host = FakeHost()
    async with asyncio.timeout(LIMIT_S):
        session = await StreamSession.open(host, StreamOptions(), SETTINGS)

        async def commit_often():
            for _ in range(1000):
                await session.commit()

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(commit_often(), 0.2)
        assert host.replicas[0].num_steps < 100
        events = session.events()
        feeding = asyncio.create_task(session.finish())
        while not isinstance(await anext(events), Finished):
            pass
        await feeding
        await session.close()
    assert host.num_slots_taken == 0


async def test_partials_that_nobody_reads_do_not_pile_up():
    host = FakeHost()
    async with opened(host) as (session, listener):
        listener.task.cancel()
        await session.feed(noise(random.Random(1), 45 * STEP))
        await session.finish()
        events = [event async for event in session.events()]
    assert [type(event) for event in events][-2:] == [Final, Finished]
    assert len(events) <= 4


async def test_closing_frees_who_waits_to_feed():
    host = FakeHost()
    async with opened(host) as (session, _listener):
        host.replicas[0].stall()
        feeding = asyncio.create_task(session.feed(noise(random.Random(1), 20 * 16_000)))
        await asyncio.sleep(0)
        await session.close()
        async with asyncio.timeout(LIMIT_S):
            await feeding
