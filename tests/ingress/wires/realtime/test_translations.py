"""`/v1/realtime/translations` with the unmodified openai SDK, and with what it would not send."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import openai
import pytest
import pytest_asyncio

from serve_app.errors import EngineError
from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.ingress.backend.humming import humming
from serve_app.transcript.types import Segment
from tests.ingress.auth import ALICE, keys_file
from tests.ingress.wires.conftest import WAITING, silence, speech
from tests.ingress.wires.realtime.frames import at_24k, say
from tests.ingress.wires.translate.site import Site, new_site

pytestmark = pytest.mark.asyncio

PATH = "/v1/realtime/translations"
SCRIPT = (Segment("Раз два.", 0.0, 1.0),)
UTTERANCE = at_24k(speech(1, 0.6) + silence(1.2))
CLOSE = {"type": "session.close"}


@pytest_asyncio.fixture
async def translating() -> AsyncIterator[Callable[..., Any]]:
    """`await translating(**settings)` gives a `Site`."""
    sites: list[Site] = []

    async def opened(backend: ScriptedBackend | None = None, **settings: Any) -> Site:
        sites.append(await new_site(backend or ScriptedBackend(SCRIPT), **settings))
        return sites[-1]

    yield opened
    for site in sites:
        await site.server.__aexit__()


def sdk(site: Site, key: str = "none") -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url=f"http://{site.server.host}/v1",
        api_key=key,
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(verify=False, timeout=WAITING),
    )


def append(pcm: bytes) -> dict[str, Any]:
    audio = base64.b64encode(pcm).decode()
    return {"type": "session.input_audio_buffer.append", "audio": audio}


def update(**session: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": session}


def into(language: str) -> dict[str, Any]:
    return update(audio={"output": {"language": language}})


async def test_the_sdk_hears_what_it_says_in_another_language(translating) -> None:
    site = await translating()
    client = sdk(site)
    events = []
    async with (
        asyncio.timeout(WAITING),
        client.realtime.translations.connect(model="gpt-realtime-translate") as connection,
    ):
        await connection.session.update(
            session={
                "audio": {
                    "input": {"transcription": {"model": "gpt-realtime-whisper"}},
                    "output": {"language": "ru"},
                }
            }
        )
        for start in range(0, 2 * len(UTTERANCE), 9600):
            piece = (2 * UTTERANCE)[start : start + 9600]
            await connection.session.input_audio_buffer.append(
                audio=base64.b64encode(piece).decode()
            )
        await connection.session.close()
        async for event in connection:
            events.append(event)
            if event.type == "session.closed":
                break
    await client.close()
    assert len({event.event_id for event in events}) == len(events)
    kinds = [event.type for event in events]
    of_one = [
        "session.input_transcript.delta",
        "session.output_transcript.delta",
        "session.output_audio.delta",
    ]
    assert kinds == ["session.created", "session.updated", *of_one, *of_one, "session.closed"]
    created, updated_ = events[:2]
    assert type(created).__name__ == "RealtimeTranslationSessionCreatedEvent"
    assert (created.session.type, created.session.model) == (
        "translation",
        "gpt-realtime-translate",
    )
    assert created.session.audio.output.language == "en"
    assert created.session.audio.input.transcription is None
    assert updated_.session.audio.output.language == "ru"
    assert updated_.session.audio.input.transcription.model == "gpt-realtime-whisper"
    texts = [event.delta for event in events if event.type == of_one[1]]
    assert texts == ["Раз два.", " Раз два."]
    first, second = (event for event in events if event.type == of_one[2])
    assert base64.b64decode(first.delta) == humming("Раз два.", "ivan", 24_000)
    assert (first.sample_rate, first.channels, first.format) == (24_000, 1, "pcm16")
    assert first.elapsed_ms % 200 == 0
    assert first.elapsed_ms < second.elapsed_ms


async def spoken_to(site: Site, *events: Any, path: str = PATH) -> list[dict[str, Any]]:
    """All that is told to who says this, until the server closes with 1000."""
    async with asyncio.timeout(WAITING), await site.server.open(path) as client:
        await say(client, *events)
        told = [json.loads(message) async for message in client]
        assert client.close_code == 1000
    return told


def deltas(told: list[dict[str, Any]], kind: str) -> list[str]:
    return [each["delta"] for each in told if each["type"] == f"session.{kind}.delta"]


async def test_what_was_said_is_told_where_that_was_asked_for_alone(translating) -> None:
    site = await translating()
    told = await spoken_to(site, into("ru"), append(UTTERANCE), CLOSE)
    assert deltas(told, "output_transcript") == ["Раз два."]
    assert not deltas(told, "input_transcript")
    (request,) = (call.request for call in site.backend.calls)
    assert request.options.target_language == "ru"
    assert (request.options.language, request.options.among) == (None, ())


async def test_a_language_that_nobody_speaks_is_written_alone(translating) -> None:
    site = await translating()
    told = await spoken_to(site, into("de"), append(UTTERANCE), CLOSE)
    assert deltas(told, "output_transcript")
    assert not deltas(told, "output_audio")


async def test_a_made_up_voice_under_a_real_model_says_that_it_is_one(translating) -> None:
    canary = {"name": "c", "kind": "canary", "checkpoint": "c.nemo", "languages": ["en", "de"]}
    site = await translating(models=[{**canary, "pivot_language": "en"}])
    async with await site.server.open(PATH) as client:
        assert client.response.headers["x-chorus-simulated"] == "true"
        assert json.loads(await client.recv())["session"]["simulated"] is True
        await say(client, into("de"))
        updated = json.loads(await client.recv())
    assert "simulated" not in updated["session"], "nobody speaks it here"


async def test_the_language_may_change_in_the_middle(translating) -> None:
    site = await translating()
    said = (into("ru"), append(UTTERANCE), into("de"), append(UTTERANCE), CLOSE)
    told = await spoken_to(site, *said)
    assert len(deltas(told, "output_transcript")) == 2
    targets = [call.request.options.target_language for call in site.backend.calls]
    assert targets == ["ru", "de"]


async def test_who_closes_at_once_is_closed(translating) -> None:
    site = await translating()
    told = await spoken_to(site, CLOSE)
    assert [each["type"] for each in told] == ["session.created", "session.closed"]


async def test_what_cannot_be_translated_is_an_error_and_the_session_goes_on(translating) -> None:
    site = await translating(ScriptedBackend([EngineError("pretender", "no")]))
    told = await spoken_to(site, into("ru"), append(UTTERANCE), append(UTTERANCE), CLOSE)
    errors = [each["error"]["code"] for each in told if each["type"] == "error"]
    assert errors == ["engine_failed"] * 2
    assert told[-1]["type"] == "session.closed"


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        (into("xx"), "unsupported_translation", "session.audio.output.language"),
        (
            update(audio={"output": {"voice": "amy"}}),
            "invalid_option",
            "session.audio.output.voice",
        ),
        (
            update(audio={"input": {"noise_reduction": {"type": "near_field"}}}),
            "unsupported_option",
            "session.audio.input.noise_reduction",
        ),
        (update(audio={"input": {"format": {}}}), "invalid_option", "session.audio.input.format"),
        (update(type="transcription"), "invalid_option", "session.type"),
        (update(model="other"), "unsupported_option", "session.model"),
        (update(audio=[]), "invalid_option", "session.audio"),
        ({"type": "input_audio_buffer.append", "audio": ""}, "invalid_option", "type"),
        ({"type": "session.input_audio_buffer.append"}, "invalid_message", "audio"),
        ("no JSON", "invalid_message", None),
        (b"\0\0", "invalid_message", None),
    ],
    ids=str,
)
async def test_a_mistake_is_answered_and_leaves_the_session_as_it_was(
    translating, event, code, param
) -> None:
    site = await translating()
    told = await spoken_to(site, event, append(UTTERANCE), CLOSE)
    (error,) = (each["error"] for each in told if each["type"] == "error")
    assert (error["code"], error["param"]) == (code, param)
    assert len(deltas(told, "output_transcript")) == 1


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?model=nobody", 404, "model_not_found"),
        ("?model=other", 400, "unsupported_option"),
        ("?model=live", 400, "unsupported_option"),
        ("?language=ru", 400, "invalid_option"),
    ],
)
async def test_a_handshake_that_asks_for_what_is_not_here_is_denied(
    translating, query, status, code
) -> None:
    site = await translating()
    answered, error, _ = await site.server.refusal(path=PATH + query)
    assert (answered, error["code"]) == (status, code)


async def test_a_browser_opens_with_a_secret_the_session_that_it_was_made_with(
    translating, tmp_path
) -> None:
    auth = {"keys_file": keys_file(tmp_path, alice={})}
    site = await translating(auth=auth, signing_secret="s" * 32)
    client = sdk(site, ALICE)
    secret = await client.realtime.translations.client_secrets.create(
        session={"model": "pretender", "audio": {"output": {"language": "ru"}}},
        expires_after={"anchor": "created_at", "seconds": 60},
    )
    await client.close()
    assert type(secret.session).__name__ == "RealtimeTranslationSession"
    assert (secret.session.model, secret.session.audio.output.language) == ("pretender", "ru")
    offered = ["realtime", f"openai-insecure-api-key.{secret.value}"]
    async with await site.server.open(PATH, subprotocols=offered) as browser:
        created = json.loads(await browser.recv())
        assert created["session"]["audio"]["output"]["language"] == "ru"
    # Each secret opens its own path alone.
    refusal = await site.server.refusal(path="/v1/realtime", subprotocols=offered)
    assert refusal[0] == 401
