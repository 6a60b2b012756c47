"""What clients call voices, and who speaks then."""

from collections.abc import Mapping
from typing import Any

import pytest

from serve_app.config import ServerConfig
from serve_app.errors import (
    InvalidOptionError,
    UnknownModelError,
    UnsupportedLanguageError,
    UnsupportedOptionError,
)
from serve_app.ingress.voices import NOBODY_SPEAKS, OPENAI_VOICES, ServedVoices, voices_of

MODEL = {"name": "pretender", "kind": "simulated"}
AMY = {"name": "amy", "speaker": "en-us+f3"}
ESPEAK = {"name": "espeak", "kind": "espeak", "voices": {"en": [AMY, {"name": "bob"}]}}
HUM = {"name": "hum", "kind": "simulated", "languages": ["en", "de"]}


def voices(*synthesizers: Mapping[str, Any], **more: Any) -> ServedVoices:
    config = {"models": [MODEL], "synthesizers": synthesizers, **more}
    return ServedVoices(ServerConfig.model_validate(config))


def test_the_first_synthesizer_with_a_voice_for_a_language_speaks_it() -> None:
    here = voices(HUM, ESPEAK)
    assert here.of_language("de").model == "hum"
    assert here.of_language("ru").name == "espeak-ru"
    assert here.of_language("Russian").name == "espeak-ru"
    assert here.of_language("pt-BR").language == "pt"


def test_what_nobody_speaks_is_refused_with_what_is_spoken() -> None:
    with pytest.raises(UnsupportedLanguageError, match="de, en"):
        voices(HUM).of_language("ru")


@pytest.mark.parametrize("name", [None, *sorted(OPENAI_VOICES)])
def test_openais_voices_mean_the_default(name: str | None) -> None:
    assert voices(ESPEAK).named(name).name == "amy"
    assert voices(ESPEAK, default_voice="espeak-fr").named(name).name == "espeak-fr"
    assert voices(ESPEAK).named(name, "de").name == "espeak-de"


def test_a_text_in_cyrillic_goes_to_a_voice_that_reads_it() -> None:
    here = voices(ESPEAK)
    assert here.named("alloy", text="Привет, мир").language == "ru"
    assert here.named("alloy", text="a word, слово, and others").language == "en"
    assert here.named("alloy", "uk", text="Привіт, світ").language == "uk"
    assert here.named("amy", text="Привет, мир").name == "amy"
    assert voices(ESPEAK, default_voice="espeak-bg").named(None, text="Здравей").language == "bg"
    assert voices(HUM).named(None, text="Привет").language == "en"


def test_a_voice_that_nobody_has_is_refused() -> None:
    with pytest.raises(InvalidOptionError, match="nobody is called 'zoe'"):
        voices(ESPEAK).named("zoe")


def test_a_voice_speaks_its_own_language_only() -> None:
    assert voices(ESPEAK).named("bob", "en-GB").name == "bob"
    with pytest.raises(InvalidOptionError, match="bob speaks en"):
        voices(ESPEAK).named("bob", "ru")


def test_a_model_has_its_own_voices() -> None:
    here = voices(ESPEAK, HUM)
    assert here.named("alloy", model="hum").name == "hum-en"
    assert here.named("alloy", model="tts-1").name == "amy"
    assert here.named("alloy", "de", model="hum").name == "hum-de"
    with pytest.raises(UnsupportedOptionError, match="amy is a voice of espeak"):
        here.named("amy", model="hum")
    with pytest.raises(UnknownModelError, match="espeak, hum"):
        here.named("amy", model="whisper-1")


def test_where_nobody_speaks_it_is_said_what_to_configure() -> None:
    with pytest.raises(UnsupportedOptionError, match="synthesizers"):
        voices().named("alloy")
    assert "synthesizers" in NOBODY_SPEAKS
    assert voices().languages == ()


def test_all_voices_are_told_by_language() -> None:
    by_language = voices_of(voices(ESPEAK))
    assert len(by_language) > 100
    assert [voice.name for voice in by_language["en"]] == ["amy", "bob"]
    assert not by_language["en"][0].simulated


@pytest.mark.parametrize(
    ("synthesizers", "reason"),
    [
        ([ESPEAK, {**ESPEAK, "name": "again"}], "the voice 'amy' is named twice"),
        ([HUM, HUM], "the name 'hum' is given twice"),
        ([{**HUM, "name": "pretender"}], "the name 'pretender' is given twice"),
        ([{**HUM, "checkpoint": "a.pt"}], "`checkpoint` has no meaning"),
        ([{"name": "s", "kind": "silero"}], "needs a checkpoint and its sha256"),
        ([{"name": "e", "kind": "espeak", "languages": ["xx"]}], "no language xx"),
        ([{**HUM, "voices": {"fr": [{"name": "a"}]}}], "fr is not among its languages"),
        ([{**HUM, "voices": {"en": [AMY]}}], "`speaker` has no meaning"),
        ([{**HUM, "voices": {"en": []}}], "name one at least"),
        (
            [
                {
                    "name": "s",
                    "kind": "silero",
                    "checkpoint": "a.pt",
                    "sha256": "0" * 64,
                    "voices": {"ru": [{"name": "baya"}]},
                }
            ],
            "needs a `speaker`",
        ),
    ],
)
def test_mistakes_of_a_configuration_are_named(
    synthesizers: list[dict[str, Any]], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        voices(*synthesizers)


def test_the_default_voice_is_one_that_is_there() -> None:
    with pytest.raises(ValueError, match="'zoe' is no voice"):
        voices(ESPEAK, default_voice="zoe")
