"""Conversations of which a part fails, waits in vain or is given up: what is lost, what is not."""

import asyncio
import random

import pytest

from serve_app.errors import (
    AtCapacityError,
    AudioLimitError,
    DeadlineExceededError,
    EngineError,
    ModelUnavailableError,
)
from serve_app.pipelines.speech_to_speech import turns
from serve_app.pipelines.speech_to_speech.conversation import Conversation
from serve_app.pipelines.speech_to_speech.events import (
    Done,
    Failed,
    SpeechStopped,
    Translated,
)
from serve_app.pipelines.speech_to_speech.fake import (
    FakeSpeaker,
    FakeTranslator,
)
from tests.pipelines.speech_to_speech.talks import (
    LIMIT_S,
    check_order,
    kinds,
    of,
    settings,
    told,
    utterances,
)

pytestmark = pytest.mark.asyncio


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


async def test_a_key_that_has_had_enough_is_not_asked_again() -> None:
    refusal = AudioLimitError(10.0, 60.0)
    translator = FakeTranslator(failures={0: [refusal]})
    events = await told([utterances(1, 1)], translator, None)
    assert [e.error for e in events if isinstance(e, Failed)] == [refusal]


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
