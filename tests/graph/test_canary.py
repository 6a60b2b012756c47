"""`canary-tiny` in the whole graph: callers of all languages and tasks share its batches."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest

from tests.graph.conftest import Server
from tests.graph.recordings import mixed_clips

LANGUAGES = ("en", "de", "fr", "es", "ru")
DIRECTIONS = [("en", code) for code in LANGUAGES[1:]] + [(code, "en") for code in LANGUAGES[1:]]


def mixed_fields(count: int, rng: random.Random) -> list[dict[str, str]]:
    """Recognition and translation, languages named and not, with and without punctuation."""
    fields = []
    for _ in range(count):
        spoken, target = rng.choice([*DIRECTIONS, *((code, "") for code in ("", *LANGUAGES))])
        fields.append(
            {
                "model": "canary",
                "language": spoken,
                "target_language": target,
                "task": "translate" if target else "transcribe",
                "pnc": rng.choice(["true", "false", ""]),
                "response_format": "verbose_json",
            }
        )
    return fields


def post(server: Server, clip: bytes, fields: dict[str, str]) -> dict[str, Any]:
    response = httpx.post(
        f"{server.address}/v1/audio/transcriptions",
        data=fields,
        files={"file": ("a", clip)},
        timeout=120,
    )
    assert response.status_code == 200, response.text
    body = response.json()
    assert isinstance(body, dict)
    return body


def test_64_mixed_requests_at_once_are_each_as_when_sent_alone(running_server: Server) -> None:
    rng = random.Random(13)
    requests = list(zip(mixed_clips(64, rng), mixed_fields(64, rng), strict=True))
    alone = [post(running_server, *request) for request in requests]
    with ThreadPoolExecutor(64) as clients:
        together = list(clients.map(lambda request: post(running_server, *request), requests))
    for one, other, (_, fields) in zip(alone, together, requests, strict=True):
        for name in ("text", "task", "language", "spoken_language"):
            assert one[name] == other[name]
        assert one["task"] == fields["task"]


def test_every_direction_has_its_answer(running_server: Server) -> None:
    (clip,) = mixed_clips(1, random.Random(14))
    for spoken, written in DIRECTIONS:
        answer = running_server.openai.audio.translations.create(
            model="whisper-1",
            file=("a", clip),
            response_format="json",
            extra_body={"source_language": spoken, "target_language": written},
        )
        assert answer.languages == [{"code": written}]
        assert answer.spoken_language == spoken


def test_what_it_does_not_translate_is_refused_with_what_it_does(running_server: Server) -> None:
    (clip,) = mixed_clips(1, random.Random(15))
    with pytest.raises(openai.BadRequestError, match="en to de") as caught:
        running_server.openai.audio.translations.create(
            model="canary",
            file=("a", clip),
            extra_body={"language": "de", "target_language": "fr"},
        )
    assert caught.value.code == "unsupported_translation"
