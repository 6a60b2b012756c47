"""`/v1/realtime` with the unmodified openai SDK."""

import asyncio
import base64
from typing import Any

import pytest

from tests.ingress.wires.conftest import WAITING, silence, speech
from tests.ingress.wires.realtime.frames import T, at_24k

pytestmark = pytest.mark.asyncio


async def append(connection, pcm: bytes) -> None:
    for start in range(0, len(pcm), 9600):
        audio = base64.b64encode(pcm[start : start + 9600]).decode()
        await connection.input_audio_buffer.append(audio=audio)


async def until(connection, kind: str, num: int = 1) -> list[Any]:
    events = []
    async with asyncio.timeout(WAITING):
        async for event in connection:
            events.append(event)
            num -= event.type == kind
            if not num:
                return events
    raise AssertionError(f"closed before {kind}")


def manual(**audio_input: Any) -> dict[str, Any]:
    return {
        "type": "transcription",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "gpt-4o-transcribe", "language": "en"},
                "turn_detection": None,
                **audio_input,
            }
        },
    }


def deltas(events: list[Any], item_id: str) -> str:
    return "".join(e.delta for e in events if e.type == f"{T}.delta" and e.item_id == item_id)


async def test_voice_activity_ends_utterances_in_the_order_of_the_protocol(open_site) -> None:
    site = await open_site()
    sdk = site.sdk()
    async with sdk.realtime.connect(
        model="gpt-4o-transcribe", extra_query={"intent": "transcription"}
    ) as connection:
        created = (await until(connection, "session.created"))[0]
        assert created.session.type == "transcription"
        assert created.session.audio.input.turn_detection.type == "server_vad"
        assert created.session.audio.input.turn_detection.silence_duration_ms == 500
        pcm = silence(0.5) + speech(1, 1.0) + silence(1.0) + speech(2, 1.0) + silence(1.0)
        await append(connection, at_24k(pcm))
        events = await until(connection, f"{T}.completed", 2)
    await sdk.close()
    ids = [event.event_id for event in events]
    assert len(set(ids)) == len(ids)
    done = [event for event in events if event.type == f"{T}.completed"]
    assert done[0].item_id != done[1].item_id
    for index, item in enumerate(done):
        mine = [event for event in events if getattr(event, "item_id", None) == item.item_id]
        kinds = [event.type for event in mine if event.type != f"{T}.delta"]
        assert kinds == [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            f"{T}.completed",
        ]
        assert item.transcript == deltas(events, item.item_id)
        assert item.transcript
        assert not item.transcript.startswith(" ")
        assert item.usage.type == "duration"
        assert 1.0 <= item.usage.seconds <= 2.5
        committed = next(event for event in mine if event.type.endswith("committed"))
        assert committed.previous_item_id == (None if index == 0 else done[0].item_id)
        started = next(event for event in mine if event.type.endswith("speech_started"))
        assert abs(started.audio_start_ms - (200, 2200)[index]) < 200


async def test_commits_end_utterances_where_voice_activity_is_off(open_site) -> None:
    site = await open_site()
    sdk = site.sdk()
    async with sdk.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        await connection.session.update(session=manual())
        updated = (await until(connection, "session.updated"))[-1]
        assert type(updated.session).__name__ == "RealtimeTranscriptionSessionCreateRequest"
        assert updated.session.audio.input.turn_detection is None
        assert updated.session.audio.input.transcription.model == "gpt-4o-transcribe"
        for seed in range(3):
            await append(connection, at_24k(speech(seed, 1.0)))
            await connection.input_audio_buffer.commit()
        events = await until(connection, f"{T}.completed", 3)
    await sdk.close()
    committed = [event for event in events if event.type == "input_audio_buffer.committed"]
    done = [event for event in events if event.type == f"{T}.completed"]
    assert [event.item_id for event in committed] == [event.item_id for event in done]
    assert [event.previous_item_id for event in committed] == [
        None,
        *(event.item_id for event in committed[:2]),
    ]
    for event in done:
        assert event.transcript == deltas(events, event.item_id)
        assert len(event.transcript.split()) > 10
        assert event.usage.seconds == pytest.approx(1.0, abs=0.1)
