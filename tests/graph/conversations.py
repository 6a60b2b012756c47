"""Phrases that espeak says, conversations of them, and what comes back."""

import asyncio
import base64
import json
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.graph.conftest import Server
from tests.ingress.wires.translate.site import pcm_of
from tiny.canary.speech.phrases import LANGUAGES, Phrase, phrases

RATE_HZ = 24_000
PAUSE = bytes(RATE_HZ * 2 * 3 // 2)
LIMIT_S = 180
VOICES = {"en": "amy", "ru": "anna"}
_PACKET_BYTES = RATE_HZ // 5 * 2


@dataclass(frozen=True)
class Said:
    """One conversation, as its client had it."""

    texts: list[str]
    source_texts: list[str]
    pairs: list[tuple[str, str]]
    sounds: list[bytes]
    """PCM of each utterance."""
    events: list[dict[str, Any]] = field(repr=False)

    @property
    def sound(self) -> bytes:
        """All that was spoken, with pauses in which an utterance ends."""
        return PAUSE.join([b"", *self.sounds, b""])


def drawn(seed: int, num: int) -> list[Phrase]:
    """Phrases that there are in every language."""
    everywhere = [each for each in phrases() if set(LANGUAGES) <= set(each.sentences)]
    return random.Random(seed).sample(everywhere, num)


def spoken(server: Server, text: str, language: str) -> bytes:
    """PCM at `RATE_HZ`, by the server's own voice."""
    answer = httpx.post(
        f"{server.address}/v1/audio/speech",
        json={
            "model": "espeak",
            "input": text,
            "voice": VOICES.get(language, f"espeak-{language}"),
            "response_format": "pcm",
            "sample_rate": RATE_HZ,
        },
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    return answer.content


def speech_of(server: Server, said: Sequence[Phrase], language: str) -> bytes:
    """They said one after the other."""
    sentences = [spoken(server, each.sentences[language], language) for each in said]
    return PAUSE.join([b"", *sentences, b""])


async def conversed(server: Server, pcm: bytes, **wanted: Any) -> Said:
    """What `/ws/translate` makes of `pcm`, sent as fast as it is taken."""
    first = {
        "sample_rate": RATE_HZ,
        "output_sample_rate": RATE_HZ,
        "events": True,
        "source_text": True,
        **wanted,
    }
    address = server.address.replace("http", "ws", 1) + "/ws/translate"
    events: list[dict[str, Any]] = []
    sounds: dict[int, bytes] = {}
    async with asyncio.timeout(LIMIT_S), connect(address, max_size=None, proxy=None) as client:
        await client.send(json.dumps(first))

        async def send() -> None:
            for start in range(0, len(pcm), _PACKET_BYTES):
                await client.send(pcm[start : start + _PACKET_BYTES])
            await client.send(b"")

        sending = asyncio.create_task(send())
        with suppress(ConnectionClosed):
            while True:
                message = await client.recv()
                if isinstance(message, bytes):
                    number = events[-1]["utterance"]
                    sounds[number] = sounds.get(number, b"") + pcm_of(message)[0]
                else:
                    events.append(json.loads(message))
        await sending
        assert client.close_code == 1000, events[-1]
    done = [event["utterance"] for event in events if event["type"] == "done"]
    assert done == list(range(len(done)))
    told = [event for event in events if event["type"] == "translation"]
    return Said(
        [event["text"] for event in told],
        [event["source_text"] for event in told],
        [(event["src"], event["tgt"]) for event in told],
        [sounds.get(number, b"") for number in done],
        events,
    )


def loudness(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    return float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0


def base64_packets(pcm: bytes) -> list[str]:
    """For wires that send audio in JSON."""
    return [
        base64.b64encode(pcm[start : start + _PACKET_BYTES]).decode()
        for start in range(0, len(pcm), _PACKET_BYTES)
    ]
