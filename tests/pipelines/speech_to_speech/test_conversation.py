"""Conversations over fakes that take their time: what is told, in which order, whatever happens."""

import asyncio
import random
import time

import pytest

from serve_app.errors import (
    AudioTooLongError,
)
from serve_app.pipelines.speech_to_speech.conversation import Conversation
from serve_app.pipelines.speech_to_speech.events import (
    Done,
    Sound,
    Translated,
)
from serve_app.pipelines.speech_to_speech.fake import (
    FakeSpeaker,
    FakeTranslator,
    meaning_of,
    sentence_of,
)
from tests.pipelines.speech_to_speech.talks import (
    LIMIT_S,
    check_order,
    kinds,
    of,
    packets,
    settings,
    silence,
    speech,
    told,
    utterances,
)

pytestmark = pytest.mark.asyncio


async def test_300_random_conversations_are_told_in_order_each_utterance_by_its_own_words() -> None:
    for seed in range(300):
        rng = random.Random(seed)
        num = rng.randint(1, 8)
        translator = FakeTranslator(rng, max_sentences=rng.randint(1, 5))
        speaker = FakeSpeaker(rng)
        pcm = b"".join(
            speech(100 * seed + i, rng.uniform(0.1, 0.6)) + silence(rng.uniform(0.45, 1.0))
            for i in range(num)
        )
        max_under_way = rng.randint(1, 5)
        events = await told(
            list(packets(pcm, rng)), translator, speaker, max_under_way=max_under_way
        )
        check_order(events)
        assert translator.max_running <= max_under_way
        assert len([e for e in events if isinstance(e, Done)]) == num
        for number in range(num):
            mine = of(events, number)
            (translated,) = (e for e in mine if isinstance(e, Translated))
            spoken = translator.heard[number]
            assert translated.text == meaning_of(spoken.pcm, translator.num_sentences(spoken.pcm))
            sounds = [e for e in mine if isinstance(e, Sound)]
            assert [e.part for e in sounds] == list(range(len(sounds)))
            assert " ".join(sentence_of(e.speech.pcm) for e in sounds) == translated.text
            assert kinds(mine)[:3] == ["SpeechStarted", "SpeechStopped", "Translated"]
            assert isinstance(mine[-1], Done)
            assert mine[-1].outcome == "spoken"


async def test_what_is_cut_does_not_depend_on_the_packets() -> None:
    pcm = utterances(1, 5)
    heard = []
    for seed in range(10):
        translator = FakeTranslator(random.Random(seed))
        await told(list(packets(pcm, random.Random(seed))), translator, None)
        heard.append(sorted(translator.heard, key=lambda spoken: spoken.start_sample))
    assert all(each == heard[0] for each in heard)
    assert len(heard[0]) == 5


async def test_who_speaks_without_end_is_cut_in_a_pause() -> None:
    """In the quietest place of the last third; nothing is lost and nothing doubled there."""
    quiet = bytes(b // 64 if i % 2 else b for i, b in enumerate(silence(0.2)))
    pcm = speech(1, 1.7) + quiet + speech(2, 1.5) + quiet + speech(3, 0.5)
    translator = FakeTranslator()
    events = await told([pcm], translator, None, max_utterance_s=2.0)
    check_order(events)
    first, second, *rest = sorted(translator.heard, key=lambda spoken: spoken.start_sample)
    assert 1.7 <= first.end_sample / 16_000 <= 1.9
    assert 3.4 <= second.end_sample / 16_000 <= 3.6
    assert len(rest) == 1
    assert b"".join(each.pcm for each in (first, second, *rest)) == pcm


async def test_a_commit_ends_an_utterance_and_silence_has_none() -> None:
    translator = FakeTranslator()
    conversation = Conversation(translator, FakeSpeaker(), settings())
    await conversation.commit()
    await conversation.feed(silence(1.0))
    await conversation.commit()
    await conversation.feed(speech(1, 0.4))
    await conversation.commit()
    await conversation.finish()
    *events, _ = [event async for event in conversation.events()]
    await conversation.close()
    assert kinds(of(events, 0))[:3] == ["SpeechStarted", "SpeechStopped", "Translated"]
    assert [e.utterance for e in events if isinstance(e, Done)] == [0]


async def test_where_no_more_audio_arrives_an_utterance_ends() -> None:
    conversation = Conversation(FakeTranslator(), None, settings(quiet_s=0.05))
    try:
        await conversation.feed(speech(1, 0.4))
        async with asyncio.timeout(LIMIT_S):
            async for event in conversation.events():
                if isinstance(event, Done):
                    break
        assert not conversation.is_owing
    finally:
        await conversation.close()


async def test_words_that_are_none_are_told_as_such() -> None:
    class Deaf(FakeTranslator):
        def num_sentences(self, pcm: bytes) -> int:
            return 0

    events = await told([utterances(1, 1)], Deaf(), FakeSpeaker())
    assert kinds(events) == ["SpeechStarted", "SpeechStopped", "Translated", "Done"]
    done = events[-1]
    assert isinstance(done, Done)
    assert (done.outcome, done.sound_s) == ("empty", None)


async def test_what_was_heard_late_counts_from_when_it_arrived() -> None:
    """Also for the guard: it arrived before any sound was sent, or while it was played."""
    for half_duplex, arrived_s, num_heard in ((True, -60.0, 2), (True, 0.1, 1), (False, -60.0, 2)):
        translator = FakeTranslator(max_sentences=1)
        conversation = Conversation(translator, FakeSpeaker(), settings(half_duplex=half_duplex))
        await conversation.feed(utterances(1, 1))
        told_all = []
        events = aiter(conversation.events())
        async with asyncio.timeout(LIMIT_S):
            while not (told_all and isinstance(told_all[-1], Done)):
                told_all.append(await anext(events))
        await conversation.feed(utterances(7, 1), time.monotonic() + arrived_s)
        await conversation.finish()
        told_all += [event async for event in events]
        await conversation.close()
        assert len(translator.heard) == num_heard
        late = [e.text_s for e in told_all if isinstance(e, Done) and e.utterance == 1]
        assert all(each is not None and each > 59 for each in late)
        assert len(late) == num_heard - 1


async def test_the_sound_of_a_sentence_is_told_while_the_next_one_is_spoken() -> None:
    class Slow(FakeSpeaker):
        async def speak(self, sentence, language):
            if self.said:
                await gate.wait()
            return await super().speak(sentence, language)

    class Talkative(FakeTranslator):
        def num_sentences(self, pcm: bytes) -> int:
            return 2

    gate = asyncio.Event()
    conversation = Conversation(Talkative(), Slow(), settings())
    await conversation.feed(utterances(1, 1))
    finishing = asyncio.create_task(conversation.finish())
    parts = []
    async with asyncio.timeout(LIMIT_S):
        async for event in conversation.events():
            if isinstance(event, Sound):
                parts.append(event.part)
                gate.set()
    await finishing
    await conversation.close()
    assert parts == [0, 1]


async def test_latencies_count_from_the_arrival_of_the_end_of_speech() -> None:
    began_at = time.monotonic()
    events = await told([utterances(1, 1)], FakeTranslator(), FakeSpeaker())
    most_s = time.monotonic() - began_at
    (translated,) = (e for e in events if isinstance(e, Translated))
    done = events[-1]
    assert isinstance(done, Done)
    assert translated.latency_s is not None
    assert done.text_s is not None
    assert done.sound_s is not None
    assert 0 <= translated.latency_s <= done.text_s <= done.sound_s <= most_s


async def test_while_its_sound_plays_a_half_duplex_conversation_hears_nothing() -> None:
    for half_duplex, num_heard in ((True, 1), (False, 2)):
        translator = FakeTranslator(max_sentences=1)
        conversation = Conversation(translator, FakeSpeaker(), settings(half_duplex=half_duplex))
        await conversation.feed(utterances(1, 1))
        async with asyncio.timeout(LIMIT_S):
            async for event in conversation.events():
                if isinstance(event, Sound):
                    break
        await conversation.feed(utterances(7, 1))
        await conversation.finish()
        _ = [event async for event in conversation.events()]
        await conversation.close()
        assert len(translator.heard) == num_heard


async def test_a_stream_may_be_so_long_and_no_longer() -> None:
    conversation = Conversation(FakeTranslator(), None, settings(max_stream_s=1.0))
    await conversation.feed(silence(0.9))
    with pytest.raises(AudioTooLongError):
        await conversation.feed(silence(0.2))
    await conversation.close()
