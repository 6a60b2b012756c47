"""Hot words, numbers and profanity, as the fields of a form on each REST wire."""

from typing import Any

import pytest

from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.pipelines.transcription import Wording

pytestmark = pytest.mark.asyncio

OPENAI, PLAIN = "/v1/audio/transcriptions", "/transcribe"
LISTED = {"preprocessor": {"profanity_file": "words.txt"}}

HOTWORDS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({}, ()),
    ({"hotwords": " , "}, ()),
    ({"hotwords": "Ada"}, ("Ada",)),
    ({"hotwords": "Ada Lovelace,  Bob\nnew   york"}, ("Ada Lovelace", "Bob", "new york")),
    ({"hotwords": ["Ada", "Bob"]}, ("Ada", "Bob")),
    ({"keywords[]": ["Ada", "Bob", "Ada"]}, ("Ada", "Bob")),
    ({"keywords": "Cy", "hotwords[]": "Ada"}, ("Ada", "Cy")),
    ({"hotwords": ",".join(map(str, range(100)))}, tuple(map(str, range(100)))),
    ({"hotwords": "x" * 100}, ("x" * 100,)),
]

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"hotwords": ",".join(map(str, range(101)))}, "hotwords", "invalid_option"),
    ({"keywords[]": "x" * 101}, "keywords", "invalid_option"),
    ({"hotwords": "Ada", "model": "pretender"}, "hotwords", "unsupported_option"),
    ({"keywords[]": ["Ada", "Bob"], "model": "canary"}, "keywords", "unsupported_option"),
    ({"itn": "maybe"}, "itn", "invalid_option"),
    ({"itn": "true", "language": "ru", "model": "canary"}, "itn", "unsupported_option"),
    ({"numerals": "true", "model": "russian"}, "numerals", "unsupported_option"),
    (
        {"itn": "true", "language": "en", "target_language": "ru", "model": "canary"},
        "itn",
        "unsupported_option",
    ),
    ({"profanity_filter": "true"}, "profanity_filter", "unsupported_option"),
]

WORDINGS: list[tuple[dict[str, Any], Wording]] = [
    ({}, Wording()),
    ({"itn": "false", "profanity_filter": "false"}, Wording()),
    ({"itn": "true"}, Wording(numbers=True)),
    ({"inverse_text_normalization": "1"}, Wording(numbers=True)),
    ({"numerals": "yes", "language": "de"}, Wording(numbers=True)),
    ({"itn": "true", "model": "canary"}, Wording(numbers=True)),
    ({"itn": "true", "profanity_filter": "true"}, Wording(numbers=True, mask_profanity=True)),
]

MODELS = (
    {
        "name": "parakeet-tiny",
        "kind": "parakeet",
        "checkpoint": "tiny.nemo",
        "languages": ("en", "de"),
    },
    {"name": "pretender", "kind": "simulated"},
    {
        "name": "canary",
        "kind": "canary",
        "checkpoint": "canary.nemo",
        "languages": ("en", "ru"),
        "pivot_language": "en",
    },
    {"name": "russian", "kind": "parakeet", "checkpoint": "tiny.nemo", "languages": ("ru",)},
)


@pytest.mark.parametrize("path", [OPENAI, PLAIN])
@pytest.mark.parametrize(("fields", "hotwords"), HOTWORDS)
async def test_hot_words_reach_the_model(open_server, path, fields, hotwords) -> None:
    backend = ScriptedBackend()
    site = await open_server(backend, models=MODELS)
    response = await site.post(path, **fields)
    assert response.status_code == 200, response.text
    assert [call.request.options.hotwords for call in backend.calls] == [hotwords]


@pytest.mark.parametrize("path", [OPENAI, PLAIN])
@pytest.mark.parametrize(("fields", "wording"), WORDINGS)
async def test_the_wording_reaches_the_pipeline(open_server, path, fields, wording) -> None:
    backend = ScriptedBackend()
    site = await open_server(backend, models=MODELS, **LISTED)
    response = await site.post(path, **fields)
    assert response.status_code == 200, response.text
    assert [call.request.wording for call in backend.calls] == [wording]


@pytest.mark.parametrize("path", [OPENAI, PLAIN])
@pytest.mark.parametrize(("fields", "param", "code"), REFUSED)
async def test_what_nobody_could_do_is_refused(open_server, path, fields, param, code) -> None:
    backend = ScriptedBackend()
    site = await open_server(backend, models=MODELS)
    response = await site.post(path, **fields)
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["param"], error["code"]) == (param, code)
    assert not backend.calls


async def test_who_asks_to_filter_without_a_list_hears_what_to_configure(open_server) -> None:
    site = await open_server()
    response = await site.post(profanity_filter="true")
    assert "preprocessor.profanity_file" in response.json()["error"]["message"]
