"""Utterances in; each said to a real server as fast as it is spoken, and how long it took to be
told and to sound, by the server's clock and by the client's, out.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.translate.floor import RATE_HZ, Utterance
from serve_app.client import Conversation, SpokenTranslation

_PACKET_S = 0.02
_BEFORE_S = 0.5
_BEHIND_S = 4.0
"""Of silence, at most, behind an utterance."""


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one utterance."""

    text: str
    text_s: float
    """From the arrival of the end of its speech to its text, by the server's clock."""
    sound_s: float
    """And to its first sound."""
    client_text_s: float
    """From when its last packet was handed over, by the client's clock."""
    client_sound_s: float


@dataclass(frozen=True, slots=True)
class Ending:
    """How the end of an utterance is found."""

    name: str
    silence_ms: int = 800
    flushes: bool = False
    """Whether the client says so at once."""


ENDINGS = (
    Ending("the client says so (`__flush__`)", flushes=True),
    Ending("voice activity, 300 ms of silence", 300),
    Ending("voice activity, 800 ms of silence (default)"),
)


async def talk(url: str, utterances: Sequence[Utterance], ending: Ending) -> list[Told]:
    """One conversation for each, one after the other, after one that warms up."""
    await _said(url, utterances[0], ending)
    return [await _said(url, utterance, ending) for utterance in utterances]


async def talk_at_once(
    url: str, utterances: Sequence[Utterance], ending: Ending, num_talks: int
) -> list[Told]:
    """So many conversations at a time, each with its share of the utterances."""

    async def share(index: int) -> list[Told]:
        await asyncio.sleep(index * 0.37)  # people do not begin in the same millisecond
        return [await _said(url, each, ending) for each in utterances[index::num_talks]]

    told = await asyncio.gather(*(share(index) for index in range(num_talks)))
    return [each for one in told for each in one]


async def _said(url: str, utterance: Utterance, ending: Ending) -> Told:
    conversation = Conversation(
        url,
        mode=f"{utterance.source}->{utterance.target}",
        sample_rate=RATE_HZ,
        output_sample_rate=RATE_HZ,
        silence_ms=ending.silence_ms,
    )
    async with conversation as talk:
        heard = asyncio.create_task(_heard(talk))
        await _paced(talk, bytes(2 * round(_BEFORE_S * RATE_HZ)), asyncio.Event())
        await _paced(talk, utterance.pcm, asyncio.Event())
        ended_at = time.perf_counter()
        if ending.flushes:
            await talk.flush()
        has_sound = asyncio.Event()
        heard.add_done_callback(lambda _: has_sound.set())
        await _paced(talk, bytes(2 * round(_BEHIND_S * RATE_HZ)), has_sound)
        text_at, sound_at, done = await heard
    assert done.text_s is not None
    assert done.sound_s is not None
    return Told(done.text, done.text_s, done.sound_s, text_at - ended_at, sound_at - ended_at)


async def _heard(talk: Conversation) -> tuple[float, float, SpokenTranslation]:
    """When text and first sound came, and all of the utterance."""
    text_at = sound_at = 0.0
    async for each in talk:
        now = time.perf_counter()
        if each.part:
            sound_at = sound_at or now
        elif each.is_done:
            return text_at, sound_at, each
        else:
            text_at = now
    raise AssertionError("the conversation ended before its utterance")


async def _paced(talk: Conversation, pcm: bytes, stop: asyncio.Event) -> None:
    """Each packet when its last sample would have been spoken."""
    began_at = time.perf_counter()
    packet_bytes = 2 * round(_PACKET_S * RATE_HZ)
    for start in range(0, len(pcm), packet_bytes):
        packet = pcm[start : start + packet_bytes]
        due_at = began_at + (start + len(packet)) / 2 / RATE_HZ
        await asyncio.sleep(max(0.0, due_at - time.perf_counter()))
        if stop.is_set():
            return
        await talk.send(packet)
