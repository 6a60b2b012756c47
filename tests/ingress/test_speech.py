"""OpenAI's speech API, as its unmodified SDK and others speak it; who speaks is a script."""

import asyncio
import base64
import json
from typing import Any

import httpx
import openai
import pytest

from serve_app.errors import AtCapacityError, EngineError
from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.ingress.backend.humming import ScriptedVoice, humming
from serve_app.ingress.voices import SAMPLE_RATES_HZ
from serve_app.ingress.wires.rest.speech.form import CONTENT_TYPES
from serve_app.models.protocols import ModelInfo, SpokenText
from tests.ingress.auth import ALICE, bearer, keys_file

pytestmark = pytest.mark.asyncio

AMY = {"name": "amy", "speaker": "en-us+f3"}
SPEAKING: dict[str, Any] = {
    "synthesizers": [
        {"name": "espeak", "kind": "espeak", "voices": {"en": [AMY]}},
        {"name": "hum", "kind": "simulated"},
    ]
}
LONG = "a sentence of fifty characters, or nearly as many. " * 3


async def speak(site: Any, **body: Any) -> httpx.Response:
    return await site.http.post("/v1/audio/speech", json={"input": "hello", **body})


def asked_of(backend: ScriptedBackend) -> tuple[str, SpokenText]:
    model, request = backend.voice.requests[-1]
    assert isinstance(request, SpokenText)
    return model, request


async def test_the_sdk_gets_a_file_and_writes_it(open_server, tmp_path) -> None:
    backend = ScriptedBackend()
    site = await open_server(backend, **SPEAKING)
    response = await site.sdk.audio.speech.create(
        model="tts-1", voice="alloy", input="hello", response_format="pcm", speed=1.5
    )
    await response.astream_to_file(tmp_path / "hello.pcm")
    assert (tmp_path / "hello.pcm").read_bytes() == humming("hello", "amy", 24_000)
    assert asked_of(backend) == (
        "espeak",
        SpokenText("hello", "amy", speed=1.5, sample_rate_hz=24_000, format="pcm"),
    )


async def test_the_sdk_hears_the_first_sound_before_all_is_spoken(open_server) -> None:
    held = asyncio.Event()
    backend = ScriptedBackend(voice=ScriptedVoice([_set(), held]))
    site = await open_server(backend, **SPEAKING)
    async with site.sdk.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="marin", input=LONG, response_format="pcm"
    ) as response:
        pieces = response.iter_bytes()
        first = await anext(pieces)
        assert not held.is_set()
        held.set()
        rest = [piece async for piece in pieces]
    assert first + b"".join(rest) == humming(LONG, "amy", 24_000)
    assert response.headers["content-type"] == "audio/pcm"


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


async def test_events_carry_the_file_in_pieces(open_server) -> None:
    site = await open_server(**SPEAKING)
    response = await speak(site, input=LONG, stream_format="sse", voice="hum-en")
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["x-chorus-simulated"] == "true"
    events = [json.loads(line[6:]) for line in response.text.split("\n\n") if line]
    *deltas, done = events
    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    audio = b"".join(base64.b64decode(event["audio"]) for event in deltas)
    assert audio == humming(LONG, "hum-en", 24_000)
    assert done["type"] == "speech.audio.done"
    usage = done["usage"]
    assert usage["input_tokens"] == len(LONG.split())
    assert usage["output_tokens"] == pytest.approx(len(audio) / 48_000 * 20, abs=1)
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


@pytest.mark.parametrize("format_name", CONTENT_TYPES)
async def test_each_format_has_its_type(open_server, format_name) -> None:
    backend = ScriptedBackend()
    site = await open_server(backend, **SPEAKING)
    response = await speak(site, response_format=format_name)
    assert response.headers["content-type"] == CONTENT_TYPES[format_name]
    assert asked_of(backend)[1].format == format_name
    assert "content-length" not in response.headers


async def test_mp3_is_what_who_asks_for_nothing_gets(open_server) -> None:
    backend = ScriptedBackend()
    site = await open_server(backend, **SPEAKING)
    response = await speak(site)
    assert response.headers["content-type"] == "audio/mpeg"
    assert response.headers["x-chorus-voice"] == "amy"
    assert "x-chorus-simulated" not in response.headers


@pytest.mark.parametrize(
    ("body", "voice"),
    [
        ({"voice": {"id": "espeak-fr"}}, "espeak-fr"),
        ({"voice": "nova", "language": "German"}, "espeak-de"),
        ({"input": "Привет, мир"}, "espeak-ru"),
        ({"model": "hum"}, "hum-en"),
        ({"model": "", "voice": None, "language": None, "instructions": ""}, "amy"),
    ],
)
async def test_who_speaks_is_found_by_voice_language_or_script(open_server, body, voice) -> None:
    backend = ScriptedBackend()
    site = await open_server(backend, **SPEAKING)
    response = await speak(site, **body)
    assert response.headers["x-chorus-voice"] == asked_of(backend)[1].voice == voice


@pytest.mark.parametrize("rate_hz", SAMPLE_RATES_HZ)
async def test_the_sample_rate_may_be_chosen(open_server, rate_hz) -> None:
    backend = ScriptedBackend()
    site = await open_server(backend, **SPEAKING)
    response = await speak(site, response_format="pcm", sample_rate=rate_hz)
    assert response.content == humming("hello", "amy", rate_hz)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": " \n"}, "input"),
        ({"input": "\u200b \ufeff"}, "input"),
        ({"input": "\u0001\u0002"}, "input"),
        ({"input": 5}, "input"),
        ({"input": "x" * 4097}, "input"),
        ({"voice": "zoe"}, "voice"),
        ({"voice": {"name": "amy"}}, "voice"),
        ({"voice": {"id": 5}}, "voice"),
        ({"voice": ["amy"]}, "voice"),
        ({"voice": "amy", "language": "de"}, "language"),
        ({"language": "tlh"}, "language"),
        ({"response_format": "ogg"}, "response_format"),
        ({"speed": 0.2}, "speed"),
        ({"speed": 4.1}, "speed"),
        ({"speed": True}, "speed"),
        ({"speed": "fast"}, "speed"),
        ({"sample_rate": 12_345}, "sample_rate"),
        ({"sample_rate": True}, "sample_rate"),
        ({"sample_rate": [8000]}, "sample_rate"),
        ({"stream_format": "ws"}, "stream_format"),
        ({"instructions": "whisper"}, "instructions"),
        ({"pitch": 3}, "pitch"),
    ],
)
async def test_what_cannot_be_honoured_is_refused_by_its_field(open_server, body, param) -> None:
    backend = ScriptedBackend()
    site = await open_server(backend, **SPEAKING)
    response = await speak(site, **body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert not backend.voice.requests


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b'"hello"', b"[" * 100_000])
async def test_what_is_no_json_object_is_refused(open_server, content) -> None:
    site = await open_server(**SPEAKING)
    response = await site.http.post("/v1/audio/speech", content=content)
    assert response.status_code == 400


async def test_a_text_of_halves_of_letters_does_no_harm(open_server) -> None:
    site = await open_server(**SPEAKING)
    body = b'{"input": "a \\ud800 b", "voice": "\\udc00"}'
    response = await site.http.post("/v1/audio/speech", content=body)
    assert response.json()["error"]["param"] == "voice"
    response = await site.http.post("/v1/audio/speech", content=b'{"input": "a \\ud800 b"}')
    assert response.status_code == 200
    response = await site.http.post("/v1/audio/speech", content=b'{"input": "\\ud800"}')
    assert response.json()["error"]["param"] == "input"


async def test_the_longest_text_fits_however_it_is_written(open_server) -> None:
    site = await open_server(**SPEAKING)
    body = b'{"input": "' + b"\\ud83c\\udf89" * 4096 + b'", "sample_rate": 8000}'
    response = await site.http.post("/v1/audio/speech", content=body)
    assert response.status_code == 200


async def test_a_model_that_is_none_of_ours_is_not_found(open_server) -> None:
    site = await open_server(**SPEAKING)
    with pytest.raises(openai.NotFoundError, match="espeak, hum"):
        await site.sdk.audio.speech.create(model="whisper-1", voice="alloy", input="hello")


async def test_where_nobody_speaks_it_is_said_what_to_configure(open_server) -> None:
    site = await open_server()
    response = await speak(site)
    assert response.status_code == 400
    assert "synthesizers" in response.json()["error"]["message"]
    assert (await site.http.get("/v1/audio/voices")).json()["data"] == []


async def test_what_fails_before_the_first_sound_is_an_ordinary_error(open_server) -> None:
    voice = ScriptedVoice([AtCapacityError("the queue of espeak is full", 3.0)])
    site = await open_server(ScriptedBackend(voice=voice), **SPEAKING)
    response = await speak(site)
    assert response.status_code == 429
    assert response.headers["retry-after"] == "3"
    assert response.json()["error"]["code"] == "at_capacity"


async def test_what_fails_later_breaks_the_answer_off(open_server) -> None:
    voice = ScriptedVoice([_set(), EngineError("espeak", "it died")])
    site = await open_server(ScriptedBackend(voice=voice), **SPEAKING)
    with pytest.raises(httpx.RemoteProtocolError):
        await speak(site, input=LONG)


async def test_what_fails_later_is_an_event_where_events_are_sent(open_server) -> None:
    voice = ScriptedVoice([_set(), EngineError("espeak", "it died")])
    site = await open_server(ScriptedBackend(voice=voice), **SPEAKING)
    response = await speak(site, input=LONG, stream_format="sse")
    last = response.text.split("\n\n")[-2]
    assert last.startswith("event: error\n")
    assert "it died" in last


async def test_a_client_who_leaves_stops_the_work(open_server) -> None:
    backend = ScriptedBackend(voice=ScriptedVoice([_set(), asyncio.Event()]))
    site = await open_server(backend, **SPEAKING)
    async with site.http.stream(
        "POST", "/v1/audio/speech", json={"input": LONG, "response_format": "pcm"}
    ) as response:
        await anext(response.aiter_bytes())
    await asyncio.wait_for(backend.voice.abandoned.wait(), 5)
    assert backend.voice.num_running == 0


async def test_what_takes_too_long_ends(open_server) -> None:
    backend = ScriptedBackend(voice=ScriptedVoice([asyncio.Event()]))
    site = await open_server(backend, **SPEAKING, limits={"request_timeout_s": 0.1})
    response = await speak(site)
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "deadline_exceeded"


async def test_voices_are_told_with_their_licences(open_server) -> None:
    site = await open_server(**SPEAKING)
    told = (await site.http.get("/v1/audio/voices")).json()
    assert told["default"] == "amy"
    assert "alloy" in told["aliases"]
    by_name = {voice["id"]: voice for voice in told["data"]}
    assert by_name["amy"]["licence"] == "GPL-3.0-or-later"
    assert by_name["amy"]["default_of_language"] is True
    assert by_name["hum-en"]["default_of_language"] is False
    assert by_name["hum-en"]["simulated"] is True
    assert by_name["espeak-ru"]["language"] == "ru"


async def test_synthesizers_are_among_the_models(open_server) -> None:
    backend = ScriptedBackend(infos=[ModelInfo("espeak", "espeak", ("en",), word_times=False)])
    site = await open_server(backend, **SPEAKING)
    named = {model.id: model for model in (await site.sdk.models.list()).data}
    assert named["espeak"].tasks == ["speak"]
    assert named["espeak"].ready is True
    assert named["hum"].ready is False
    assert named["hum"].simulated is True
    assert "ru" in (await site.sdk.models.retrieve("espeak")).languages
    about = (await site.http.get("/", headers={"accept": "application/json"})).json()
    assert about["endpoints"]["speak"] == "POST /v1/audio/speech"


async def test_what_is_spoken_is_charged_as_what_is_heard(open_server, tmp_path) -> None:
    keys = keys_file(tmp_path, alice={"audio_s_per_day": 1.0})
    site = await open_server(**SPEAKING, auth={"keys_file": keys})
    assert (await speak(site)).status_code == 401
    sixty_letters = "x" * 60

    async def ask() -> httpx.Response:
        return await site.http.post(
            "/v1/audio/speech", json={"input": sixty_letters}, headers=bearer(ALICE)
        )

    assert (await ask()).status_code == 200
    refused = await ask()
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "audio_limit_reached"
