"""Conversations over a model that translates while it hears."""

import asyncio
import gc
import random
from typing import Any

import pytest

from serve_app.audio.voice import LoudnessDetector, VoiceActivity
from serve_app.errors import EngineError, ModelUnavailableError
from serve_app.models.protocols import StreamOptions
from serve_app.pipelines.speech_to_speech.events import (
    Done,
    Failed,
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
from serve_app.pipelines.streaming import events as heard
from serve_app.pipelines.streaming.fake import FakeHost
from serve_app.pipelines.streaming.session import SessionSettings, StreamSession
from serve_app.transcript.types import Segment
from tests.pipelines.speech_to_speech.talks import (
    LIMIT_S,
    SILENCE_S,
    check_last,
    packets,
    settings,
    silence,
    speech,
)

pytestmark = pytest.mark.asyncio

VOICE = VoiceActivity(silence_s=SILENCE_S)


class ScriptedSession:
    """A session that tells these, one when the one before was taken as far as it can be, and then
    ends, or fails."""

    is_owing = False

    def __init__(self, *script: heard.StreamEvent | Exception) -> None:
        self._script = script

    async def commit(self) -> None:
        raise ModelUnavailableError("a model", 1.0)

    async def feed(self, pcm: bytes) -> None:
        return

    async def close(self) -> None:
        return

    async def events(self):
        for event in self._script:
            for _ in range(100):
                await asyncio.sleep(0)
            if isinstance(event, Exception):
                raise event
            yield event


async def told_of(speaker: FakeSpeaker, *script: heard.StreamEvent | Exception) -> list:
    """All that is told of it; the error that ends it is the last."""
    session: Any = ScriptedSession(*script)
    conversation = StreamedConversation(session, ("en", "ru"), speaker, settings())
    told: list[Any] = []
    try:
        async with asyncio.timeout(LIMIT_S):
            async for event in conversation.events():
                told.append(event)
    except ModelUnavailableError as error:
        told.append(error)
    finally:
        await conversation.close()
    return told


GROWING = (
    heard.SpeechStarted(0.0),
    heard.Partial("First one. Second", "", 0.0, 1.0),
    heard.Partial("First one. Second one. Third", "", 0.0, 2.0),
)
ENDED = (
    heard.SpeechStopped(3.0),
    heard.Final(Segment("First one. Second one. Third one.", 0.0, 3.0), True, 3.0),
    heard.Finished(3.0),
)


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
        check_last(events)
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

    turns.begin(0, work, ended_at=None)
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


async def test_a_sentence_that_cannot_be_spoken_leaves_the_text_told_to_its_end() -> None:
    no = EngineError("a voice", "no")
    told = await told_of(FakeSpeaker(failures={"First one.": no}), *GROWING, *ENDED)
    assert final_texts(told) == ["First one. Second one. Third one."]
    assert [type(event) for event in told[-4:]] == [Translated, Failed, Done, Finished]
    assert told[-3].error is no
    check_last(told)


async def test_a_sound_before_the_end_of_speech_is_counted_below_zero() -> None:
    told = await told_of(FakeSpeaker(), *GROWING, *ENDED)
    (done,) = (event for event in told if isinstance(event, Done))
    assert done.sound_s is not None
    assert done.text_s is not None
    assert done.sound_s < 0 <= done.text_s


async def test_a_session_that_dies_takes_nothing_back_that_was_certain() -> None:
    told = await told_of(FakeSpeaker(), *GROWING, ModelUnavailableError("a model", 1.0))
    assert final_texts(told) == ["First one. Second one. Third"]
    said = [sentence_of(e.speech.pcm) for e in told if isinstance(e, Sound)]
    assert said == ["First one.", "Second one.", "Third"]
    assert isinstance(told[-1], ModelUnavailableError)


async def test_a_silence_behind_the_end_of_a_session_is_nobody_s_mistake(caplog) -> None:
    """Its `commit` fails, as that of a session that is over; the events have told why."""
    session: Any = ScriptedSession(*GROWING)
    conversation = StreamedConversation(
        session, ("en", "ru"), FakeSpeaker(), settings(quiet_s=0.001)
    )
    ending = asyncio.Event()
    commit = session.commit

    async def noted() -> None:
        ending.set()
        await commit()

    conversation._quiet._end = noted  # as the session's own, and seen
    await conversation.feed(silence(0.1))
    async with asyncio.timeout(LIMIT_S):
        await ending.wait()
    await conversation.close()
    gc.collect()
    assert "never retrieved" not in caplog.text
