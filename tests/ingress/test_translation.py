"""Which model does what between which languages, on every REST wire; by OpenAI's own client."""

from typing import Any

import openai
import pytest

from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.ingress.wires.rest.tasks import TASKS
from serve_app.transcript.types import Segment

pytestmark = pytest.mark.asyncio

PARAKEET = {
    "name": "parakeet-tiny",
    "kind": "parakeet",
    "checkpoint": "tiny.nemo",
    "aliases": ("parakeet",),
    "languages": ("en", "de"),
}
CANARY = {
    "name": "canary-tiny",
    "kind": "canary",
    "checkpoint": "canary.nemo",
    "aliases": ("canary",),
    "languages": ("en", "de", "fr"),
    "pivot_language": "en",
}
PRETENDER = {
    "name": "pretender",
    "kind": "simulated",
    "languages": ("ru", "en"),
    "pivot_language": "ru",
}
MODELS = (PARAKEET, CANARY, PRETENDER)
SEGMENTS = (Segment("Eins zwei.", 0.0, 1.5), Segment("Drei.", 1.5, 2.0))


@pytest.fixture
def backend() -> ScriptedBackend:
    return ScriptedBackend(SEGMENTS, language="de")


async def translate(site: Any, **options: Any) -> Any:
    return await site.sdk.audio.translations.create(
        file=("a.wav", b"RIFF...", "audio/x-wav"), **{"model": "whisper-1", **options}
    )


async def test_the_sdk_translates_into_english(open_server, backend) -> None:
    site = await open_server(backend, models=MODELS)
    answer = await translate(site)
    assert answer.text == "Eins zwei. Drei."
    assert answer.spoken_language == "de"
    assert answer.languages == [{"code": "en"}]
    (call,) = backend.calls
    assert call.request.model == "canary-tiny"
    options = call.request.options
    assert (options.language, options.target_language) == (None, "en")
    assert (options.pnc, options.word_times, options.logprobs) == (True, False, False)


async def test_the_sdk_gets_every_format_of_a_translation(open_server, backend) -> None:
    site = await open_server(backend, models=MODELS)
    verbose = await translate(
        site, response_format="verbose_json", extra_body={"target_language": "fr"}
    )
    assert (verbose.task, verbose.language, verbose.spoken_language) == (
        "translate",
        "french",
        "de",
    )
    assert (verbose.text, verbose.duration) == ("Eins zwei. Drei.", 2.0)
    assert [(each.start, each.end, each.text) for each in verbose.segments] == [
        (0.0, 1.5, "Eins zwei."),
        (1.5, 2.0, "Drei."),
    ]
    assert await translate(site, response_format="text") == "Eins zwei. Drei.\n"
    srt = await translate(site, response_format="srt")
    assert srt.startswith("1\n00:00:00,000 --> 00:00:01,500\nEins zwei.\n")
    vtt = await translate(site, response_format="vtt")
    assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nEins zwei.\n")


async def test_a_translation_is_streamed_too(open_server, backend) -> None:
    site = await open_server(backend, models=MODELS)
    events = [
        event
        async for event in await site.transcribe(
            stream=True, extra_body={"task": "translate", "target_language": "en"}
        )
    ]
    assert "".join(event.delta for event in events[:-1]) == events[-1].text == "Eins zwei. Drei."
    assert events[-1].spoken_language == "de"


ACCEPTED = [
    # fields, model, spoken, target
    ({}, "parakeet-tiny", None, None),
    ({"task": "asr", "model": "canary"}, "canary-tiny", None, None),
    ({"language": "en", "target_language": "English"}, "parakeet-tiny", "en", None),
    ({"task": "translate"}, "canary-tiny", None, "en"),
    ({"task": "translate", "model": "gpt-4o-transcribe"}, "canary-tiny", None, "en"),
    ({"task": "ast", "source_language": "de"}, "canary-tiny", "de", "en"),
    ({"task": "s2t_translation", "language": "auto"}, "canary-tiny", None, "en"),
    ({"task": "translate", "language": "en"}, "canary-tiny", "en", "en"),
    ({"target_language": "fr-CA", "language": "English"}, "canary-tiny", "en", "fr"),
    ({"target_language": "de"}, "canary-tiny", None, "de"),
    ({"task": "s2t", "model": "pretender", "target_language": "ru"}, "pretender", None, "ru"),
]


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/transcribe"])
@pytest.mark.parametrize(("fields", "model", "spoken", "target"), ACCEPTED)
async def test_a_task_finds_its_model(
    open_server, backend, path, fields, model, spoken, target
) -> None:
    site = await open_server(backend, models=MODELS)
    response = await site.post(path, **fields)
    assert response.status_code == 200, response.text
    (call,) = backend.calls
    options = call.request.options
    assert (call.request.model, options.language, options.target_language) == (
        model,
        spoken,
        target,
    )


async def test_every_name_of_a_task_is_understood(open_server, backend) -> None:
    site = await open_server(backend, models=MODELS)
    for name, task in TASKS.items():
        body = (await site.post(task=name, response_format="verbose_json")).json()
        assert body["task"] == task


REFUSED = [
    ({"model": "parakeet"}, "model", "unsupported_option", "do: canary-tiny, pretender"),
    ({"model": "nobody"}, "model", "model_not_found", "parakeet-tiny"),
    ({"language": "ru"}, "language", "unsupported_language", "it knows: en, de, fr"),
    (
        {"language": "de", "target_language": "fr"},
        "target_language",
        "unsupported_translation",
        "from 'de' to 'fr'; it translates: en to de, en to fr, de to en, fr to en",
    ),
    ({"target_language": "xx"}, "target_language", "unsupported_translation", "en to de"),
    (
        {"language": "en", "source_language": "de"},
        "language",
        "unsupported_option",
        "language and source_language name several (de, en); one language at most",
    ),
    ({"task": "transcribe"}, "task", "invalid_option", "translates"),
    (
        {"response_format": "verbose_json", "timestamp_granularities[]": "word"},
        "timestamp_granularities",
        "unsupported_option",
        "never said",
    ),
]


@pytest.mark.parametrize(("fields", "param", "code", "message"), REFUSED)
async def test_what_cannot_be_translated_is_refused_by_name(
    open_server, backend, fields, param, code, message
) -> None:
    site = await open_server(backend, models=MODELS)
    response = await site.post("/v1/audio/translations", **fields)
    assert response.status_code == (404 if code == "model_not_found" else 400)
    error = response.json()["error"]
    assert (error["param"], error["code"]) == (param, code)
    assert message in error["message"]
    assert not backend.calls


async def test_where_no_model_translates_the_sdk_hears_so(open_server) -> None:
    site = await open_server(models=[PARAKEET])
    with pytest.raises(openai.BadRequestError, match="no served model translates"):
        await translate(site)


async def test_a_transcript_is_in_the_language_that_is_spoken(open_server) -> None:
    site = await open_server(models=MODELS)
    response = await site.post("/transcribe", task="asr", language="en", target_language="de")
    assert (response.status_code, response.json()["error"]["param"]) == (400, "target_language")


async def test_each_task_has_its_default_model(open_server, backend) -> None:
    settings = {"default_model": "canary", "default_translation_model": "pretender"}
    site = await open_server(backend, models=MODELS, **settings)
    await site.post()
    await site.post("/v1/audio/translations")
    site = await open_server(backend, models=MODELS, default_model="pretender")
    await site.post("/v1/audio/translations")
    names = [call.request.model for call in backend.calls]
    assert names == ["canary-tiny", "pretender", "pretender"]


@pytest.mark.parametrize(("value", "pnc"), [("true", True), ("false", False), ("", True)])
async def test_punctuation_is_asked_of_models_that_choose(open_server, backend, value, pnc) -> None:
    site = await open_server(backend, models=MODELS)
    for path in ("/v1/audio/transcriptions", "/v1/audio/translations", "/transcribe"):
        await site.post(path, model="canary", pnc=value)
    assert [call.request.options.pnc for call in backend.calls] == [pnc] * 3
    response = await site.post(model="canary", pnc="perhaps")
    assert (response.status_code, response.json()["error"]["param"]) == (400, "pnc")
    response = await site.post("/transcribe", model="parakeet", pnc="false")
    assert (response.status_code, response.json()["error"]["param"]) == (400, "pnc")


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"response_format": "json"}, False),
        ({"response_format": "text"}, False),
        ({"stream": "true"}, False),
        ({"response_format": "verbose_json"}, True),
        ({"response_format": "srt"}, True),
        ({"response_format": "vtt"}, True),
        ({"response_format": "srt", "task": "translate"}, False),
    ],
)
async def test_word_times_are_asked_for_where_they_show(
    open_server, backend, fields, wanted
) -> None:
    site = await open_server(backend, models=MODELS)
    await site.post(**fields)
    assert backend.calls[0].request.options.word_times is wanted


async def test_the_plain_wire_times_words_only_for_its_segments(open_server, backend) -> None:
    site = await open_server(backend, models=MODELS)
    body = (await site.post("/transcribe", model="canary", target_language="en")).json()
    assert (body["language"], body["spoken_language"]) == ("en", "de")
    await site.post("/transcribe", model="canary")
    await site.post("/transcribe", model="canary", include_timestamps="false")
    asked = [call.request.options.word_times for call in backend.calls]
    assert asked == [False, True, False]


async def test_what_each_model_translates_is_told(open_server) -> None:
    site = await open_server(models=MODELS)
    parakeet, canary, _ = (await site.http.get("/v1/models")).json()["data"]
    assert (parakeet["tasks"], parakeet["translations"]) == (["transcribe"], {})
    assert canary["tasks"] == ["transcribe", "translate"]
    assert canary["translations"] == {"de": ["en"], "en": ["de", "fr"], "fr": ["en"]}
    health = (await site.http.get("/health")).json()
    assert health["tasks"] == ["transcribe", "translate"]
    assert health["translation_model"] == "canary-tiny"
    languages = (await site.http.get("/api/languages")).json()
    assert languages["translations"]["en"] == ["de", "fr", "ru"]


async def test_a_licence_that_forbids_commerce_is_told(open_server) -> None:
    model = {"name": "canary", "kind": "canary", "checkpoint": "nvidia/canary-1b"}
    site = await open_server(models=[model])
    (told,) = (await site.http.get("/v1/models")).json()["data"]
    assert (told["licence"], told["non_commercial"]) == ("CC-BY-NC-4.0", True)
    assert "canary-1b by NVIDIA" in told["attribution"]
    assert told["languages"] == ["en", "de", "fr", "es"]
