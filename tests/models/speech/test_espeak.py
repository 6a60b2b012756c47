"""espeak-ng as it is served: a real process, real sound, and what hostile texts do to it."""

import os
import random
import signal
import string
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from serve_app.config import SynthesizerConfig
from serve_app.config.espeak import ESPEAK_LANGUAGES
from serve_app.errors import ConfigError
from serve_app.models.loader import load_synthesizer
from serve_app.models.protocols import ModelBrokenError, SynthesisRequest, UnspeakableError
from serve_app.models.speech.espeak import process as espeak_process
from serve_app.models.speech.espeak.engine import EspeakSynthesizer
from serve_app.models.speech.espeak.library import INSTALL

CONFIG = SynthesizerConfig.model_validate(
    {"name": "espeak", "kind": "espeak", "voices": {"en": [{"name": "amy", "speaker": "en-us+f3"}]}}
)
HELLO = SynthesisRequest("Hello, how are you?", "amy")
LETTERS = string.printable + "äßéñøžłЖщя中文ありがとうสวัสดี\u200d🎉<>[]{}&;'\"\\"


@pytest.fixture(scope="module")
def espeak() -> Iterator[EspeakSynthesizer]:
    synthesizer = EspeakSynthesizer(CONFIG)
    yield synthesizer
    synthesizer.close()


def loudness(pcm: bytes) -> float:
    return float(np.abs(np.frombuffer(pcm, "<i2").astype(float)).mean()) if pcm else 0.0


def test_a_sentence_sounds_about_as_long_as_it_takes_to_say(espeak: EspeakSynthesizer) -> None:
    speech = espeak.synthesize(HELLO)
    assert 0.8 < speech.duration_s < 3
    assert speech.sample_rate_hz == 22_050
    assert loudness(speech.pcm) > 300


def test_every_language_of_the_table_is_spoken(espeak: EspeakSynthesizer) -> None:
    for voice in espeak.voices:
        speech = espeak.synthesize(SynthesisRequest("1 2 3", voice.name))
        assert speech.duration_s > 0.1, voice
    assert {voice.language for voice in espeak.voices} == set(ESPEAK_LANGUAGES)
    assert len(ESPEAK_LANGUAGES) > 100


def test_the_same_sentence_gives_the_same_samples_whatever_was_said_before(
    espeak: EspeakSynthesizer,
) -> None:
    first = espeak.synthesize(HELLO)
    for text, voice in (("Something else entirely!", "amy"), ("Привет", "espeak-ru")):
        assert espeak.synthesize(SynthesisRequest(text, voice)) != first
    other = EspeakSynthesizer(CONFIG)
    assert espeak.synthesize(HELLO) == first == other.synthesize(HELLO)
    other.close()


def test_three_hundred_random_sentences_are_spoken_and_none_waits_long(
    espeak: EspeakSynthesizer,
) -> None:
    draw = random.Random(9)
    pid = espeak._process.pid
    voices = [voice.name for voice in espeak.voices]
    for _ in range(300):
        text = "".join(draw.choices(LETTERS, k=draw.randint(0, 120)))
        began = time.monotonic()
        speech = espeak.synthesize(SynthesisRequest(text, draw.choice(voices)))
        assert len(speech.pcm) % 2 == 0
        assert time.monotonic() - began < 5
    assert espeak._process.pid == pid


@pytest.mark.parametrize(
    "text",
    [
        "[[h@l'oU]]",
        "<speak><audio src='/etc/passwd'/></speak>",
        '<mark name="x"/>' * 20,
        "\x01400S fast \x01P \x01" + "9" * 40 + "P",
        "a\x00b",
        "\ud800 half a pair",
        "9" * 500,
        "a" * 500,
        "中" * 500,
        "\u0301" * 500,
        "🎉" * 500,
        ("x" * 3 + "-") * 120,
        "%s%n" * 100,
        "'" * 500,
    ],
)
def test_hostile_texts_are_texts(espeak: EspeakSynthesizer, text: str) -> None:
    pid = espeak._process.pid
    began = time.monotonic()
    espeak.synthesize(SynthesisRequest(text, "amy"))
    assert time.monotonic() - began < 5
    assert espeak._process.pid == pid
    assert espeak.synthesize(HELLO).duration_s > 0.5


def test_orders_to_espeak_are_not_obeyed(espeak: EspeakSynthesizer) -> None:
    """Byte 1 begins an order to the engine, `[[` phonemes, `<` a mark of SSML."""
    plain = espeak.synthesize(SynthesisRequest("400S one two three", "amy"))
    ordered = espeak.synthesize(SynthesisRequest("\x01400S one two three", "amy"))
    assert ordered == plain
    spelt = espeak.synthesize(SynthesisRequest("[[tu:]]", "amy"))
    assert spelt != espeak.synthesize(SynthesisRequest("two", "amy"))
    slow = '<prosody rate="x-slow">one two three four five</prosody>'
    marked = espeak.synthesize(SynthesisRequest(slow, "amy")).duration_s
    assert marked < 2.5 * espeak.synthesize(SynthesisRequest(slow[23:-10], "amy")).duration_s + 4


@pytest.mark.parametrize("text", ["", " \n\t ", "\x00\x01\x02", "\ud800"])
def test_nothing_to_say_is_no_sound(espeak: EspeakSynthesizer, text: str) -> None:
    assert espeak.synthesize(SynthesisRequest(text, "amy")).pcm == b""


@pytest.mark.parametrize("speed", [0.25, 0.5, 0.8, 1.25, 1.5, 2.0, 4.0])
def test_speed_is_kept_to(espeak: EspeakSynthesizer, speed: float) -> None:
    text = "The house at the end of the long road has been empty for many years."
    plain_s = espeak.synthesize(SynthesisRequest(text, "amy")).duration_s
    speech = espeak.synthesize(SynthesisRequest(text, "amy", speed=speed))
    assert speech.duration_s * speed == pytest.approx(plain_s, rel=0.15)
    assert loudness(speech.pcm) > 300


def test_a_process_that_was_killed_is_replaced_and_the_sentence_spoken(
    espeak: EspeakSynthesizer,
) -> None:
    before = espeak.synthesize(HELLO)
    pid = espeak._process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert espeak.synthesize(HELLO) == before
    assert espeak._process.pid != pid


def test_it_leaves_no_process_behind() -> None:
    synthesizer = EspeakSynthesizer(CONFIG)
    pid = synthesizer._process.pid
    assert Path(f"/proc/{pid}").exists()
    synthesizer.close()
    assert not Path(f"/proc/{pid}").exists()


def test_its_process_has_nothing_of_our_environment(
    espeak: EspeakSynthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHORUS_SIGNING_SECRET", "a secret")
    synthesizer = EspeakSynthesizer(CONFIG)
    pid = synthesizer._process.pid
    assert b"CHORUS" not in Path(f"/proc/{pid}/environ").read_bytes()
    synthesizer.close()


def test_a_sentence_that_takes_too_long_ends_and_the_next_is_spoken() -> None:
    """The process is stopped, as one is that hangs."""
    synthesizer = EspeakSynthesizer(CONFIG.model_copy(update={"timeout_s": 0.3}))
    pid = synthesizer._process.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(UnspeakableError, match=r"longer than 0\.3 s"):
        synthesizer.synthesize(HELLO)
    synthesizer._process._timeout_s = 30
    assert synthesizer.synthesize(HELLO).duration_s > 0.5
    synthesizer.close()


def test_a_configured_voice_that_this_espeak_lacks_is_a_mistake_of_the_configuration() -> None:
    voices = {"en": [{"name": "zoe", "speaker": "en-xx+q9"}]}
    config = SynthesizerConfig.model_validate(
        {"name": "espeak", "kind": "espeak", "languages": ["en"], "voices": voices}
    )
    with pytest.raises(ConfigError, match="voices: zoe: this espeak-ng has no voice en-xx"):
        EspeakSynthesizer(config)


def test_where_there_is_no_espeak_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that shadows the wheel's; the child takes it from our path."""
    (tmp_path / "espeakng_loader.py").write_text("raise ImportError('not here')")
    (tmp_path / "sitecustomize.py").write_text(
        "import ctypes\n"
        "class Missing(ctypes.CDLL):\n"
        "    def __init__(self, name, *rest, **more):\n"
        "        if name and 'espeak' in str(name): raise OSError(name)\n"
        "        super().__init__(name, *rest, **more)\n"
        "ctypes.CDLL = Missing\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        load_synthesizer(CONFIG)
    assert INSTALL in str(caught.value)
    assert "espeak-ng is not installed" in str(caught.value)


def test_one_that_starts_no_more_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    synthesizer = EspeakSynthesizer(CONFIG)
    pid = synthesizer._process.pid
    assert pid is not None
    monkeypatch.setattr(espeak_process, "_MODULE", "serve_app.models.no_such_module")
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ModelBrokenError):
        synthesizer.synthesize(HELLO)
    synthesizer.close()
