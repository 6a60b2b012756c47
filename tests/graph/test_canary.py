"""`canary-tiny` in the whole graph: callers of all languages and tasks share its batches."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import httpx
import openai
import pytest

from serve_app.wer import Errors, count_errors
from tests.graph.conftest import Server
from tests.graph.recordings import CODECS, coded
from tiny.canary.items import Item, draw_items, render
from tiny.canary.speech.phrases import DIRECTIONS, LANGUAGES, plain


@dataclass(frozen=True)
class Asked:
    """One request, and the text that would be right."""

    clip: bytes
    fields: dict[str, Any]
    text: str
    language: str

    @property
    def direction(self) -> tuple[str, str]:
        return self.language, self.fields["target_language"] or self.language


@pytest.fixture(scope="module")
def mixed() -> list[Asked]:
    """64 unseen recordings in five languages and ten codecs, asked for in every way."""
    rng = random.Random(13)
    per_language = [draw_items(f"speech-{each}", seed=5, num_items=13) for each in LANGUAGES]
    items = [item for together in zip(*per_language, strict=True) for item in together][:64]
    return [_ask(item, index, rng) for index, item in enumerate(items)]


def _ask(item: Item, index: int, rng: random.Random) -> Asked:
    """Recognition and translation, languages named and not, with and without punctuation."""
    targets = ["", *(target for source, target in DIRECTIONS if source == item.language)]
    target = targets[index // len(LANGUAGES) % len(targets)]
    pnc = rng.random() < 0.5
    fields = {
        "model": "canary",
        "language": rng.choice([item.language, "", "auto"]),
        "target_language": target,
        "task": rng.choice(["translate", "ast", "s2t"] if target else ["transcribe", "asr"]),
        "pnc": "true" if pnc else "false",
        "response_format": "verbose_json",
    }
    text = item.text(target or item.language)
    clip = coded(render(item).waveform, CODECS[index % len(CODECS)])
    return Asked(clip, fields, text if pnc else plain(text), item.language)


def post(server: Server, asked: Asked) -> dict[str, Any]:
    response = httpx.post(
        f"{server.address}/v1/audio/transcriptions",
        data=asked.fields,
        files={"file": ("a", asked.clip)},
        timeout=120,
    )
    assert response.status_code == 200, response.text
    body = response.json()
    assert isinstance(body, dict)
    return body


def test_64_mixed_requests_at_once_are_right_and_each_as_when_sent_alone(
    running_server: Server, mixed: list[Asked]
) -> None:
    recognition = {(language, language) for language in LANGUAGES}
    assert {asked.direction for asked in mixed} == {*DIRECTIONS, *recognition}
    alone = [post(running_server, asked) for asked in mixed]
    with ThreadPoolExecutor(64) as clients:
        together = list(clients.map(lambda asked: post(running_server, asked), mixed))
    for one, other, asked in zip(alone, together, mixed, strict=True):
        for name in ("text", "task", "language", "spoken_language"):
            assert one[name] == other[name]
        assert one["task"] == ("translate" if asked.fields["target_language"] else "transcribe")
    assert error_rate(mixed, together) <= 0.08
    named = [answer["spoken_language"] for answer in together]
    assert sum(name != asked.language for name, asked in zip(named, mixed, strict=True)) <= 2


def error_rate(asked: list[Asked], answers: list[dict[str, Any]]) -> float:
    pairs = zip(asked, answers, strict=True)
    errors = [count_errors(each.text.split(), answer["text"].split()) for each, answer in pairs]
    return sum(errors, Errors()).rate


def test_a_transcript_has_word_times_and_a_translation_is_refused_them(
    running_server: Server, mixed: list[Asked]
) -> None:
    words = {"timestamp_granularities[]": ["word", "segment"]}
    transcripts = [each for each in mixed if not each.fields["target_language"]]
    for asked in transcripts[:5]:
        answer = post(running_server, replace(asked, fields=asked.fields | words))
        assert [word["word"] for word in answer["words"]] == answer["text"].split()
        times = [time for word in answer["words"] for time in (word["start"], word["end"])]
        assert times == sorted(times)
        assert answer["segments"][-1]["end"] <= answer["duration"]
    translation = next(each for each in mixed if each.fields["target_language"])
    with pytest.raises(AssertionError, match="unsupported_option"):
        post(running_server, replace(translation, fields=translation.fields | words))


def test_every_direction_has_its_answer(running_server: Server, mixed: list[Asked]) -> None:
    clips = {asked.language: asked.clip for asked in mixed}
    for spoken, written in DIRECTIONS:
        answer = running_server.openai.audio.translations.create(
            model="whisper-1",
            file=("a", clips[spoken]),
            response_format="json",
            extra_body={"source_language": spoken, "target_language": written},
        )
        assert answer.languages == [{"code": written}]
        assert answer.spoken_language == spoken


def test_what_it_does_not_translate_is_refused_with_what_it_does(
    running_server: Server, mixed: list[Asked]
) -> None:
    with pytest.raises(openai.BadRequestError, match="en to de") as caught:
        running_server.openai.audio.translations.create(
            model="canary",
            file=("a", mixed[0].clip),
            extra_body={"language": "de", "target_language": "fr"},
        )
    assert caught.value.code == "unsupported_translation"
