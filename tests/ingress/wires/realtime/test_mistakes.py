"""What a client does wrong on `/v1/realtime`, and what it is told."""

import asyncio
from typing import Any

import pytest

from tests.ingress.wires.conftest import WAITING, messages_of, speech
from tests.ingress.wires.realtime.frames import (
    COMMIT,
    T,
    append,
    at_24k,
    say,
    until,
    update,
)

pytestmark = pytest.mark.asyncio

PATH = "/v1/realtime?intent=transcription"
MANUAL = update(turn_detection=None)


def updating(**fields: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": fields}


MISTAKES: list[tuple[Any, str, str | None]] = [
    ("{", "invalid_message", None),
    ("[]", "invalid_message", None),
    ('"text"', "invalid_message", None),
    ("[" * 200_000, "invalid_message", None),
    (b"\0" * 640, "invalid_message", None),
    (b"", "invalid_message", None),
    ({}, "invalid_option", "type"),
    ({"type": None}, "invalid_option", "type"),
    ({"type": "response.create"}, "invalid_option", "type"),
    ({"type": "transcription_session.update"}, "invalid_option", "type"),
    ({"type": "input_audio_buffer.append"}, "invalid_message", "audio"),
    ({"type": "input_audio_buffer.append", "audio": 7}, "invalid_message", "audio"),
    ({"type": "input_audio_buffer.append", "audio": "###"}, "invalid_message", "audio"),
    ({"type": "input_audio_buffer.append", "audio": "AAA"}, "invalid_message", "audio"),
    ({"type": "input_audio_buffer.append", "audio": "AA\ud800="}, "invalid_message", "audio"),
    (COMMIT, "invalid_option", "input_audio_buffer"),
    ({"type": "session.update"}, "invalid_option", "session"),
    (
        {"type": "session.update", "session": {"type": "realtime"}},
        "unsupported_option",
        "session.type",
    ),
    ({"type": "session.update", "session": {"type": "poem"}}, "invalid_option", "session.type"),
    ({"type": "session.update", "session": {"voice": "alloy"}}, "invalid_option", "session.voice"),
]


@pytest.mark.parametrize(("event", "code", "param"), MISTAKES, ids=lambda value: str(value)[:60])
async def test_a_mistake_is_told_and_leaves_the_session_as_it_was(
    open_site, event, code, param
) -> None:
    site = await open_site()
    async with await site.open(PATH) as client:
        await until(client, "session.created")
        if isinstance(event, dict):
            event = {**event, "event_id": "mine\ud800"}
        await say(client, event)
        told = (await until(client, "error"))[-1]
        assert told["event_id"].startswith("event_")
        error = told["error"]
        assert (error["type"], error["code"]) == ("invalid_request_error", code)
        assert error["param"] == param
        assert error["event_id"] == ("mine\ud800" if isinstance(event, dict) else None)
        assert error["message"]
        await say(client, MANUAL, append(at_24k(speech(1, 0.5))), COMMIT)
        assert (await until(client, f"{T}.completed"))[-1]["transcript"]


async def test_who_makes_nothing_but_mistakes_is_let_go(open_site) -> None:
    site = await open_site()
    async with asyncio.timeout(WAITING), await site.open(PATH) as client:
        await say(client, *(["{"] * 150))
        said = await messages_of(client)
    assert len(said) == 1 + 100
    assert (client.close_code, client.close_reason) == (1007, "invalid_message")


@pytest.mark.parametrize(
    ("query", "status", "param"),
    [
        ("intent=conversation", 400, "intent"),
        ("model=nobody", 404, "model"),
        ("model=pretender", 400, "model"),
        ("model=gpt-4o-transcribe-diarize", 404, "model"),
        ("call_id=rtc_1", 400, "call_id"),
    ],
)
async def test_what_the_query_cannot_have_is_denied_in_the_handshake(
    open_site, query, status, param
) -> None:
    site = await open_site()
    answered, error, _ = await site.server.refusal(path=f"/v1/realtime?{query}")
    assert (answered, error["param"]) == (status, param)
