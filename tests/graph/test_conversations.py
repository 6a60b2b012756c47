"""Speech to speech in the whole graph: Canary translates, espeak speaks, and both in all pairs."""

import asyncio

import openai
import pytest

from tests.graph.conftest import Server
from tests.graph.conversations import (
    LIMIT_S,
    Said,
    base64_packets,
    conversed,
    drawn,
    loudness,
    speech_of,
)
from tiny.canary.speech.phrases import DIRECTIONS, Phrase

pytestmark = pytest.mark.asyncio

NUM_PHRASES = 4


def share_right(texts: list[str], said: list[Phrase], language: str) -> float:
    expected = [each.sentences[language] for each in said]
    assert len(texts) == len(expected), (texts, expected)
    return sum(text == right for text, right in zip(texts, expected, strict=True)) / len(texts)


async def test_what_is_said_in_any_pair_comes_back_and_its_sound_means_the_same(
    running_server: Server,
) -> None:
    """There and back: English with each other language, both ways."""
    there, back = [], []
    for index, (source, target) in enumerate(DIRECTIONS):
        said = drawn(index, NUM_PHRASES)
        pcm = await asyncio.to_thread(speech_of, running_server, said, source)
        heard = await conversed(running_server, pcm, mode=f"{source}->{target}")
        assert heard.pairs == [(source, target)] * NUM_PHRASES
        assert all(loudness(sound) > 300 for sound in heard.sounds)
        again = await conversed(running_server, heard.sound, mode=f"{target}->{source}")
        there.append(share_right(heard.texts, said, target))
        there.append(share_right(heard.source_texts, said, source))
        back.append(share_right(again.texts, said, source))
    # The model alone was right about 234 of 240 in these voices, there and back about 229.
    assert sum(there) / len(there) >= 0.9
    assert sum(back) / len(back) >= 0.85


async def test_the_direction_flips_by_what_is_heard(running_server: Server) -> None:
    said = drawn(20, 6)
    languages = ["en", "ru", "ru", "en", "ru", "en"]
    pcm = b"".join(
        [
            await asyncio.to_thread(speech_of, running_server, [phrase], language)
            for phrase, language in zip(said, languages, strict=True)
        ]
    )
    heard = await conversed(running_server, pcm, mode="auto", languages=["en", "ru"])
    others = {"en": "ru", "ru": "en"}
    assert heard.pairs == [(language, others[language]) for language in languages]
    right = [
        text == phrase.sentences[others[language]]
        for text, phrase, language in zip(heard.texts, said, languages, strict=True)
    ]
    assert sum(right) >= 5


async def test_ten_conversations_at_once_are_each_as_when_it_is_alone(
    running_server: Server,
) -> None:
    """In order, and in text and sound to the last sample: none hears another's voice."""
    phrases = drawn(30, 10 * 3)
    asked = [
        (phrases[3 * index : 3 * index + 3], DIRECTIONS[index % len(DIRECTIONS)])
        for index in range(10)
    ]
    speeches = [
        await asyncio.to_thread(speech_of, running_server, said, source)
        for said, (source, _) in asked
    ]

    async def talk(index: int) -> Said:
        source, target = asked[index][1]
        return await conversed(running_server, speeches[index], mode=f"{source}->{target}")

    alone = [await talk(index) for index in range(10)]
    together = await asyncio.gather(*(talk(index) for index in range(10)))
    right = []
    for one, other, (said, (_, target)) in zip(alone, together, asked, strict=True):
        assert other.texts == one.texts
        assert other.source_texts == one.source_texts
        assert other.sounds == one.sounds
        right.append(share_right(other.texts, said, target))
    assert sum(right) / len(right) >= 0.9
    assert len({sound for each in together for sound in each.sounds}) == 30


async def test_the_sound_of_ten_at_once_is_of_its_own_words(running_server: Server) -> None:
    """Heard again: what each was sent says what its own text says."""
    said = drawn(40, 10)
    speeches = [
        await asyncio.to_thread(speech_of, running_server, [phrase], "en") for phrase in said
    ]
    heard = await asyncio.gather(
        *(conversed(running_server, pcm, mode="en->ru") for pcm in speeches)
    )
    again = await asyncio.gather(
        *(conversed(running_server, each.sound, mode="ru->en") for each in heard)
    )
    told = [each.texts for each in heard]
    reread = [each.source_texts for each in again]
    assert len({tuple(texts) for texts in told}) == 10
    assert sum(one == other for one, other in zip(told, reread, strict=True)) >= 9


async def test_the_openai_sdk_translates_unchanged(running_server: Server) -> None:
    said = drawn(50, 2)
    pcm = await asyncio.to_thread(speech_of, running_server, said, "en")
    sdk = openai.AsyncOpenAI(base_url=f"{running_server.address}/v1", api_key="none")
    text, sound = "", b""
    async with (
        asyncio.timeout(LIMIT_S),
        sdk.realtime.translations.connect(model="gpt-realtime-translate") as connection,
    ):
        await connection.session.update(session={"audio": {"output": {"language": "ru"}}})
        for audio in base64_packets(pcm):
            await connection.session.input_audio_buffer.append(audio=audio)
        await connection.session.close()
        async for event in connection:
            if event.type == "session.output_transcript.delta":
                text += event.delta
            elif event.type == "session.output_audio.delta":
                sound += event.delta.encode()
            elif event.type == "session.closed":
                break
            assert event.type != "error", event
    await sdk.close()
    assert text == " ".join(each.sentences["ru"] for each in said)
    assert len(sound) > 48_000
