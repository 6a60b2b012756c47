import openai
import pytest

from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.transcript.types import Segment

pytestmark = pytest.mark.asyncio

ACCEPTED = [
    ({"model": ""}, "parakeet-tiny", None),
    ({"model": "parakeet"}, "parakeet-tiny", None),
    ({"model": "gpt-4o-transcribe"}, "parakeet-tiny", None),
    ({"model": "gpt-transcribe"}, "parakeet-tiny", None),
    ({"model": "pretender", "language": "fr"}, "pretender", "fr"),
    ({"language": "en-US"}, "parakeet-tiny", "en"),
    ({"language": "DE"}, "parakeet-tiny", "de"),
    ({"language": "German"}, "parakeet-tiny", "de"),
    ({"language": ""}, "parakeet-tiny", None),
    ({"language": "auto"}, "parakeet-tiny", None),
    ({"languages[]": "de"}, "parakeet-tiny", "de"),
    ({"languages": "de", "language": "de"}, "parakeet-tiny", "de"),
    ({"temperature": "0"}, "parakeet-tiny", None),
    ({"temperature": "0.0", "prompt": "", "hotwords": ""}, "parakeet-tiny", None),
    ({"chunking_strategy": "auto", "task": "asr"}, "parakeet-tiny", None),
    ({"language": "en", "target_language": "en"}, "parakeet-tiny", "en"),
    ({"response_format": "verbose_json", "timestamp_granularities": "word"}, "parakeet-tiny", None),
]

REFUSED = [
    ({"response_format": "mp3"}, "response_format", "invalid_option"),
    ({"response_format": "diarized_json"}, "response_format", "unsupported_option"),
    ({"response_format": "srt", "stream": "true"}, "response_format", "unsupported_option"),
    ({"timestamp_granularities[]": "word"}, "timestamp_granularities", "invalid_option"),
    (
        {"response_format": "verbose_json", "timestamp_granularities[]": "day"},
        "timestamp_granularities",
        "invalid_option",
    ),
    ({"include[]": "item"}, "include", "invalid_option"),
    ({"include[]": "logprobs", "response_format": "text"}, "include", "invalid_option"),
    ({"temperature": "0.7"}, "temperature", "unsupported_option"),
    ({"temperature": "7"}, "temperature", "invalid_option"),
    ({"temperature": "nan"}, "temperature", "invalid_option"),
    ({"temperature": "warm"}, "temperature", "invalid_option"),
    ({"prompt": "Names: Ada"}, "prompt", "unsupported_option"),
    ({"known_speaker_names[]": "Ada"}, "known_speaker_names", "unsupported_option"),
    ({"known_speaker_references": "data:"}, "known_speaker_references", "unsupported_option"),
    ({"chunking_strategy": "vad"}, "chunking_strategy", "unsupported_option"),
    ({"chunking_strategy[type]": "server_vad"}, "chunking_strategy", "unsupported_option"),
    ({"languages[]": ["en", "de"]}, "languages", "unsupported_option"),
    ({"task": "translate"}, "task", "unsupported_option"),
    ({"task": "sing"}, "task", "invalid_option"),
    ({"target_language": "de"}, "task", "unsupported_option"),
    ({"task": "s2t", "model": "parakeet"}, "model", "unsupported_option"),
    ({"task": "transcribe", "target_language": "de"}, "target_language", "invalid_option"),
    ({"pnc": "true"}, "pnc", "unsupported_option"),
    ({"stream": "maybe"}, "stream", "invalid_option"),
    ({"channel": "left"}, "channel", "invalid_option"),
    ({"beam_size": "5"}, "beam_size", "invalid_option"),
    ({"model": ["parakeet", "pretender"]}, "model", "invalid_option"),
    ({"language": "fr"}, "language", "unsupported_language"),
]


@pytest.mark.parametrize(("fields", "model", "language"), ACCEPTED)
async def test_what_can_be_honoured_is(open_server, fields, model, language) -> None:
    backend = ScriptedBackend([Segment("hi", 0.0, 1.0, ())])
    site = await open_server(backend)
    response = await site.post(**fields)
    assert response.status_code == 200, response.text
    (call,) = backend.calls
    assert (call.request.model, call.request.options.language) == (model, language)


@pytest.mark.parametrize(("fields", "param", "code"), REFUSED)
async def test_what_cannot_is_refused_by_name(open_server, fields, param, code) -> None:
    backend = ScriptedBackend()
    site = await open_server(backend)
    response = await site.post(**fields)
    assert response.status_code == 400
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert error["message"]
    assert not backend.calls


async def test_the_sdk_hears_which_models_there_are(open_server) -> None:
    site = await open_server()
    with pytest.raises(openai.NotFoundError) as caught:
        await site.transcribe(model="whisper-9")
    assert (caught.value.param, caught.value.code) == ("model", "model_not_found")
    assert "parakeet-tiny, parakeet, pretender" in str(caught.value)


async def test_the_sdk_hears_which_languages_there_are(open_server) -> None:
    site = await open_server()
    with pytest.raises(openai.BadRequestError, match="it knows: en, de"):
        await site.transcribe(language="xx")


async def test_extra_body_is_a_field(open_server) -> None:
    site = await open_server()
    with pytest.raises(openai.BadRequestError) as caught:
        await site.transcribe(model="pretender", extra_body={"hotwords": "Ada"})
    assert caught.value.param == "hotwords"


async def test_a_channel_is_picked_by_number(open_server) -> None:
    backend = ScriptedBackend()
    site = await open_server(backend)
    await site.post(channel="1")
    await site.post()
    assert [call.request.channel for call in backend.calls] == [1, "mix"]


async def test_translations_say_that_no_model_translates(open_server) -> None:
    site = await open_server()
    response = await site.post("/v1/audio/translations", model="whisper-1")
    assert response.status_code == 400
    assert "no served model translates" in response.json()["error"]["message"]
