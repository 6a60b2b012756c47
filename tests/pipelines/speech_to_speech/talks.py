"""Conversations over the fakes: what is said, and what should be told of it."""

import asyncio
import random
from collections.abc import Iterable, Sequence
from typing import Any

from serve_app.audio.voice import LoudnessDetector, VoiceActivity
from serve_app.pipelines.speech_to_speech.conversation import Conversation, ConversationSettings
from serve_app.pipelines.speech_to_speech.events import (
    Done,
    Finished,
    SpeechStarted,
    SpeechStopped,
    UtteranceEvent,
)
from serve_app.pipelines.speech_to_speech.fake import FakeSpeaker, FakeTranslator

LIMIT_S = 30
SILENCE_S = 0.3


def speech(seed: int, duration_s: float) -> bytes:
    """PCM16LE at 16 kHz, loud, and never twice the same."""
    return random.Random(seed).randbytes(round(duration_s * 16_000) * 2)


def silence(duration_s: float) -> bytes:
    return bytes(round(duration_s * 16_000) * 2)


def settings(**other: Any) -> ConversationSettings:
    return ConversationSettings(
        **{
            "voice_activity": VoiceActivity(silence_s=SILENCE_S),
            "quiet_s": None,
            "new_detector": LoudnessDetector,
            **other,
        }
    )


def packets(pcm: bytes, rng: random.Random) -> Iterable[bytes]:
    while pcm:
        num_bytes = 2 * rng.randint(1, 16_000)
        yield pcm[:num_bytes]
        pcm = pcm[num_bytes:]


async def told(
    talk: Sequence[bytes],
    translator: FakeTranslator,
    speaker: FakeSpeaker | None,
    **other: Any,
) -> list[UtteranceEvent]:
    """All that is told of a talk that ends by itself."""
    conversation = Conversation(translator, speaker, settings(**other))

    async def feed() -> None:
        for packet in talk:
            await conversation.feed(packet)
        await conversation.finish()

    feeding = asyncio.create_task(feed())
    try:
        async with asyncio.timeout(LIMIT_S):
            *events, finished = [event async for event in conversation.events()]
            await feeding
    finally:
        feeding.cancel()
        await conversation.close()
    assert isinstance(finished, Finished)
    return events  # type: ignore[return-value]  # it is the last, and only the last


def check_last(events: Sequence[UtteranceEvent | Finished]) -> None:
    """Nothing is told of an utterance behind its `Done`."""
    done: set[int] = set()
    for event in events:
        if isinstance(event, Finished):
            continue
        assert event.utterance not in done, event
        if isinstance(event, Done):
            done.add(event.utterance)


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
