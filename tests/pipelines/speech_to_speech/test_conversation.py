"""Conversations over fakes that take their time: what is told, in which order, whatever happens."""

import asyncio
import random
import time

import pytest

from serve_app.errors import (
    AtCapacityError,
    AudioLimitError,
    AudioTooLongError,
    DeadlineExceededError,
    EngineError,
    ModelUnavailableError,
)
from serve_app.pipelines.speech_to_speech import turns
from serve_app.pipelines.speech_to_speech.conversation import Conversation
from serve_app.pipelines.speech_to_speech.events import (
    Done,
    Failed,
    Sound,
    SpeechStarted,
    SpeechStopped,
    Translated,
    UtteranceEvent,
)
from serve_app.pipelines.speech_to_speech.fake import (
    FakeSpeaker,
    FakeTranslator,
    meaning_of,
    sentence_of,
)
from tests.pipelines.speech_to_speech.talks import (
    LIMIT_S,
    check_last,
    packets,
    settings,
    silence,
    speech,
    told,
)

pytestmark = pytest.mark.asyncio


def of(events: list[UtteranceEvent], utterance: int) -> list[UtteranceEvent]:
    return [event for event in events if event.utterance == utterance]


def kinds(events: list[UtteranceEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


def utterances(seed: int, num: int) -> bytes:
    return b"".join(speech(seed + i, 0.4) + silence(0.6) for i in range(num))


def check_order(events: list[UtteranceEvent]) -> None:
    """What is told of utterances, but that they began and ended, is told one after the other."""
    check_last(events)
    in_turn = [e for e in events if not isinstance(e, SpeechStarted | SpeechStopped)]
    numbers = [event.utterance for event in in_turn]
    assert numbers == sorted(numbers)
    starts = [e.utterance for e in events if isinstance(e, SpeechStarted)]
    assert starts == list(range(len(starts)))
    assert starts == [e.utterance for e in events if isinstance(e, SpeechStopped)]
    assert starts == [e.utterance for e in events if isinstance(e, Done)]


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


async def test_an_utterance_that_fails_costs_the_others_nothing() -> None:
    failure = EngineError("a model", "no")
    translator = FakeTranslator(failures={1: [failure]})
    events = await told([utterances(1, 3)], translator, FakeSpeaker())
    check_order(events)
    assert [e.error for e in of(events, 1) if isinstance(e, Failed)] == [failure]
    outcomes = [e.outcome for e in events if isinstance(e, Done)]
    assert sorted(outcomes) == ["failed", "spoken", "spoken"]


async def test_a_mistake_of_ours_is_one_utterance_s_failure(caplog) -> None:
    translator = FakeTranslator(failures={0: [ZeroDivisionError("of ours")]})
    events = await told([utterances(1, 2)], translator, None)
    (failed,) = (e for e in events if isinstance(e, Failed))
    assert "internal error" in str(failed.error)
    assert "of ours" in caplog.text
    assert [e.outcome for e in events if isinstance(e, Done)].count("written") == 1


async def test_a_sentence_that_cannot_be_spoken_leaves_its_text_told() -> None:
    translator = FakeTranslator(max_sentences=1)
    pcm = utterances(1, 1)
    (probe,) = (e for e in await told([pcm], translator, None) if isinstance(e, Translated))
    speaker = FakeSpeaker(failures={probe.text: EngineError("a voice", "no")})
    events = await told([pcm], FakeTranslator(max_sentences=1), speaker)
    assert kinds(events)[2:] == ["Translated", "Failed", "Done"]


async def test_who_finds_no_room_is_asked_again(monkeypatch) -> None:
    monkeypatch.setattr(turns, "_FIRST_PAUSE_S", 0.001)
    busy = [AtCapacityError("a model", 1.0), ModelUnavailableError("a model", 1.0)]
    translator = FakeTranslator(failures={0: busy * 2})
    events = await told([utterances(1, 2)], translator, FakeSpeaker())
    check_order(events)
    assert [e.outcome for e in events if isinstance(e, Done)] == ["spoken"] * 2


async def test_patience_has_an_end(monkeypatch) -> None:
    monkeypatch.setattr(turns, "_FIRST_PAUSE_S", 0.001)
    busy = AtCapacityError("a model", 1.0)
    translator = FakeTranslator(failures={0: [busy] * 1000})
    events = await told([utterances(1, 1)], translator, None, patience_s=0.02)
    assert [e.error for e in events if isinstance(e, Failed)] == [busy]


async def test_a_voice_that_never_answers_costs_its_utterance_alone() -> None:
    class Dumb(FakeSpeaker):
        async def speak(self, sentence, language):
            if not self.said:
                self.said.append(sentence)
                await asyncio.Event().wait()
            return await super().speak(sentence, language)

    events = await told([utterances(1, 2)], FakeTranslator(), Dumb(), patience_s=0.5)
    check_order(events)
    # either may be the first to be spoken
    assert sorted(e.outcome for e in events if isinstance(e, Done)) == ["failed", "spoken"]
    (failed,) = (e for e in events if isinstance(e, Failed))
    assert isinstance(failed.error, DeadlineExceededError)
    assert len([e for e in events if isinstance(e, Translated)]) == 2


async def test_who_gives_up_feeding_loses_no_utterance_that_was_heard() -> None:
    class Waiting(FakeTranslator):
        async def translate(self, spoken):
            await gate.wait()
            return await super().translate(spoken)

    gate = asyncio.Event()
    conversation = Conversation(Waiting(), None, settings(max_under_way=1))
    feeding = asyncio.create_task(conversation.feed(utterances(1, 3)))
    events = aiter(conversation.events())
    told_first = []
    async with asyncio.timeout(LIMIT_S):
        while len([e for e in told_first if isinstance(e, SpeechStopped)]) < 2:
            told_first.append(await anext(events))
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    finishing = asyncio.create_task(conversation.finish())
    gate.set()
    async with asyncio.timeout(LIMIT_S):
        rest = [event async for event in events]
    await finishing
    await conversation.close()
    *whole, _ = told_first + rest
    check_order(whole)
    assert [e.utterance for e in whole if isinstance(e, Translated)] == [0, 1]


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


async def test_a_key_that_has_had_enough_is_not_asked_again() -> None:
    refusal = AudioLimitError(10.0, 60.0)
    translator = FakeTranslator(failures={0: [refusal]})
    events = await told([utterances(1, 1)], translator, None)
    assert [e.error for e in events if isinstance(e, Failed)] == [refusal]


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


async def test_closing_abandons_what_is_under_way_and_may_come_at_any_time() -> None:
    for seed in range(100):
        rng = random.Random(seed)
        translator = FakeTranslator(rng)
        conversation = Conversation(translator, FakeSpeaker(rng), settings())

        async def feed(conversation: Conversation = conversation, seed: int = seed) -> None:
            await conversation.feed(utterances(seed, 5))
            await conversation.finish()

        feeding = asyncio.create_task(feed())
        reading = asyncio.create_task(anext(aiter(conversation.events())))
        for _ in range(rng.randrange(80)):
            await asyncio.sleep(0)
        for task in (feeding, reading):
            task.cancel()
        await asyncio.gather(feeding, reading, return_exceptions=True)
        await conversation.close()
        await conversation.close()
        assert translator.num_running == 0


async def test_who_reads_nothing_holds_up_who_speaks() -> None:
    translator = FakeTranslator()
    conversation = Conversation(translator, FakeSpeaker(), settings(max_under_way=2))
    feeding = asyncio.create_task(conversation.feed(utterances(1, 40)))
    held = conversation._turns
    async with asyncio.timeout(LIMIT_S):
        while not held._unread.full():  # noqa: ASYNC110 (no event of it)
            await asyncio.sleep(0)
    assert not feeding.done()
    assert len(translator.heard) < 12
    events = conversation.events()
    while not feeding.done():
        await anext(events)
    await conversation.close()
