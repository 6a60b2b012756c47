"""What tests of `/v1/realtime` say and hear."""

import asyncio
import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import soxr
from websockets.asyncio.client import ClientConnection

from tests.ingress.wires.conftest import WAITING

T = "conversation.item.input_audio_transcription"


def at_24k(pcm: bytes) -> bytes:
    """PCM16 at 16 kHz, as a client of OpenAI's sends it."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    return soxr.resample(samples, 16000, 24000).clip(-32768, 32767).astype("<i2").tobytes()


def append(audio: bytes) -> dict[str, Any]:
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()}


def update(**audio_input: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": session(**audio_input)}


def session(**audio_input: Any) -> dict[str, Any]:
    return {"type": "transcription", "audio": {"input": audio_input}}


COMMIT = {"type": "input_audio_buffer.commit"}
CLEAR = {"type": "input_audio_buffer.clear"}


async def say(client: ClientConnection, *events: Mapping[str, Any] | str | bytes) -> None:
    for event in events:
        await client.send(json.dumps(event) if isinstance(event, Mapping) else event)


async def until(client: ClientConnection, kind: str, num: int = 1) -> list[dict[str, Any]]:
    """All events up to the `num`-th of a kind."""
    events = []
    async with asyncio.timeout(WAITING):
        while num:
            events.append(json.loads(await client.recv()))
            num -= events[-1]["type"] == kind
    return events


def deltas(events: list[Any], item_id: str) -> str:
    return "".join(
        event["delta"]
        for event in events
        if event["type"] == f"{T}.delta" and event["item_id"] == item_id
    )
