"""Conversations over a model that translates while it hears."""

import asyncio
import random

import pytest

from serve_app.audio.voice import LoudnessDetector, VoiceActivity
from serve_app.errors import ModelUnavailableError
from serve_app.models.protocols import StreamOptions
from serve_app.pipelines.speech_to_speech.events import (
    Done,
    Finished,
    Sound,
    SpeechStarted,
    SpeechStopped,
    Translated,
)
from serve_app.pipelines.speech_to_speech.fake import FakeSpeaker, sentence_of
from serve_app.pipelines.speech_to_speech.speaking import tell_translations
from serve_app.pipelines.speech_to_speech.streamed import StreamedConversation
from serve_app.pipelines.speech_to_speech.translating import Translation
from serve_app.pipelines.speech_to_speech.turns import Turn, Turns
from serve_app.pipelines.streaming.fake import FakeHost
from serve_app.pipelines.streaming.session import SessionSettings, StreamSession
from tests.pipelines.speech_to_speech.talks import (
    LIMIT_S,
    SILENCE_S,
    packets,
    settings,
    silence,
    speech,
)

pytestmark = pytest.mark.asyncio

VOICE = VoiceActivity(silence_s=SILENCE_S)


async def new_conversation(
    host: FakeHost, speaker: FakeSpeaker, *, patience_s: float = LIMIT_S
) -> StreamedConversation:
    session = await StreamSession.open(
        host,
        StreamOptions("en", "ru"),
        SessionSettings(
            max_ahead_s=2.0,
            max_stream_s=3600.0,
            voice_activity=VOICE,
            patience_s=patience_s,
            new_detector=LoudnessDetector,
        ),
    )
    return StreamedConversation(session, ("en", "ru"), speaker, settings())


async def told(host: FakeHost, pcm: bytes, rng: random.Random) -> list:
    conversation = await new_conversation(host, FakeSpeaker(rng))

    async def feed() -> None:
        for packet in packets(pcm, rng):
            await conversation.feed(packet)
        await conversation.finish()

    feeding = asyncio.create_task(feed())
    try:
        async with asyncio.timeout(LIMIT_S):
            events = [event async for event in conversation.events()]
            await feeding
    finally:
        feeding.cancel()
        await conversation.close()
    assert host.num_slots_taken == 0
    return events


async def test_50_random_conversations_are_told_in_order_and_whole() -> None:
    for seed in range(50):
        rng = random.Random(seed)
        num = rng.randint(1, 5)
        pcm = b"".join(
            speech(100 * seed + i, rng.uniform(0.2, 1.5)) + silence(rng.uniform(0.5, 1.0))
            for i in range(num)
        )
        host = FakeHost(max_segment_steps=rng.choice([8, 50]))
        *events, finished = await told(host, pcm, rng)
        assert isinstance(finished, Finished)
        in_turn = [e for e in events if not isinstance(e, SpeechStarted | SpeechStopped)]
        numbers = [event.utterance for event in in_turn]
        assert numbers == sorted(numbers)
        for number in range(num):
            mine = [event for event in in_turn if event.utterance == number]
            texts = [event for event in mine if isinstance(event, Translated)]
            assert [event.is_final for event in texts].count(True) == 1
            assert texts[-1].is_final
            assert texts[-1].text.startswith("ru")
            assert (texts[-1].source, texts[-1].target) == ("en", "ru")
            sounds = [event for event in mine if isinstance(event, Sound)]
            assert " ".join(sentence_of(e.speech.pcm) for e in sounds) == texts[-1].text
            assert isinstance(mine[-1], Done)
            assert mine[-1].outcome == "spoken"
        assert [type(e).__name__ for e in events].count("SpeechStopped") == num


async def test_a_replica_that_dies_costs_no_word() -> None:
    pcm = speech(1, 2.0) + silence(0.6) + speech(2, 1.0) + silence(0.6)
    whole = await told(FakeHost(), pcm, random.Random(1))
    host = FakeHost(2)
    host.replicas[0].steps_to_live = 7
    again = await told(host, pcm, random.Random(1))
    assert final_texts(again) == final_texts(whole)


def final_texts(events: list) -> list[str]:
    return [event.text for event in events if isinstance(event, Translated) and event.is_final]


async def test_a_commit_ends_an_utterance_of_a_stream() -> None:
    conversation = await new_conversation(FakeHost(), FakeSpeaker())
    await conversation.commit()
    await conversation.feed(speech(1, 0.8))
    await conversation.commit()
    await conversation.finish()
    events = [event async for event in conversation.events()]
    await conversation.close()
    assert [event.utterance for event in events if isinstance(event, Done)] == [0]
    (stopped,) = (event for event in events if isinstance(event, SpeechStopped))
    assert stopped.at_s == pytest.approx(0.8, abs=0.01)


async def test_what_ends_the_session_ends_the_conversation() -> None:
    host = FakeHost()
    conversation = await new_conversation(host, FakeSpeaker(), patience_s=0.01)
    await conversation.feed(speech(1, 0.5))
    for replica in host.replicas:
        replica.kill()
    await conversation.feed(speech(2, 0.5))

    async def read() -> None:
        async for _ in conversation.events():
            pass

    with pytest.raises(ModelUnavailableError):
        await asyncio.wait_for(read(), LIMIT_S)
    await conversation.close()


async def test_a_sentence_is_spoken_once_it_is_certain_while_the_text_goes_on() -> None:
    texts = (
        Translation("en", "ru", "One.", certain="On", is_final=False),
        Translation("en", "ru", "One. Two", certain="One.", is_final=False),
        Translation("en", "ru", "One. Two three", certain="One. Two", is_final=False),
        Translation(
            "en", "ru", "One. Two three. Four", certain="One. Two three. F", is_final=False
        ),
        Translation("en", "ru", "One. Two three. Four."),
    )
    speaker = FakeSpeaker()

    async def translations():
        for text in texts:
            yield text

    turns = Turns(max_under_way=1, patience_s=1.0)

    async def work(turn: Turn) -> None:
        await tell_translations(turn, translations(), speaker, span=lambda: (0.0, 1.0))

    await turns.begin(0, work, ended_at=None)
    await turns.end()
    events = [event async for event in turns.events()]
    await turns.close()
    said = [
        event.text if isinstance(event, Translated) else sentence_of(event.speech.pcm)
        for event in events
        if isinstance(event, Translated | Sound)
    ]
    assert said == [
        "One.",
        "One. Two",
        "One. Two three",
        "One.",
        "One. Two three. Four",
        "Two three.",
        "One. Two three. Four.",
        "Four.",
    ]
    assert all(e.latency_s is None for e in events if isinstance(e, Translated | Sound))
