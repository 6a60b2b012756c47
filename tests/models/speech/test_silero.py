"""Silero's engine on a small package with the interface of Silero's, whose own was not run."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from torch.package import PackageExporter

from serve_app.config import SynthesizerConfig
from serve_app.errors import ConfigError
from serve_app.models.loader import load_synthesizer
from serve_app.models.protocols import SynthesisRequest, Synthesizer, UnspeakableError

_SOURCE = """
import math

import torch


class Model:
    speakers = ["aidar", "baya", "random"]

    def __init__(self):
        self.device = None

    def to(self, device):
        self.device = device

    def apply_tts(self, text=None, ssml_text=None, speaker="baya", sample_rate=48000):
        if sample_rate not in (8000, 24000, 48000) or speaker not in self.speakers:
            raise ValueError("invalid")
        if not any(0x430 <= ord(letter) < 0x450 for letter in text.lower()):
            raise ValueError("no letter that is known")
        seconds = torch.arange(int(0.1 * len(text) * sample_rate)) / sample_rate
        pitch_hz = 100.0 + 50 * self.speakers.index(speaker)
        noise = 0.01 * torch.rand(len(seconds))
        return 0.5 * torch.sin(2 * math.pi * pitch_hz * seconds) + noise
"""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """As Silero writes its own: the pickled model and the module that it is of, in one file."""
    path = tmp_path_factory.mktemp("silero") / "v0_ru.pt"
    module = ModuleType("multi_acc_v3_package")
    exec(_SOURCE, module.__dict__)
    sys.modules[module.__name__] = module
    try:
        with PackageExporter(str(path)) as exporter:
            exporter.extern(["torch", "math"])
            exporter.save_source_string(module.__name__, _SOURCE)
            model = module.Model()
            exporter.save_pickle("tts_models", "model", model)
        yield path
    finally:
        del sys.modules[module.__name__]


def config_of(path: Path, **settings: Any) -> SynthesizerConfig:
    defaults: dict[str, Any] = {
        "name": "silero",
        "kind": "silero",
        "checkpoint": str(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "device": "cpu",
        "voices": {
            "ru": [{"name": "baya", "speaker": "baya"}, {"name": "aidar", "speaker": "aidar"}]
        },
    }
    return SynthesizerConfig.model_validate({**defaults, **settings})


@pytest.fixture
def silero(checkpoint: Path) -> Iterator[Synthesizer]:
    synthesizer = load_synthesizer(config_of(checkpoint))
    yield synthesizer
    synthesizer.close()


def test_a_sentence_is_spoken_by_the_named_speaker(silero: Synthesizer) -> None:
    speech = silero.synthesize(SynthesisRequest("Привет, мир", "baya"))
    assert speech.sample_rate_hz == 48_000
    assert speech.duration_s == pytest.approx(1.1)
    samples = np.frombuffer(speech.pcm, "<i2") / 32767
    assert np.abs(samples).max() == pytest.approx(0.51, abs=0.01)
    assert speech != silero.synthesize(SynthesisRequest("Привет, мир", "aidar"))


def test_the_same_sentence_gives_the_same_samples(silero: Synthesizer) -> None:
    request = SynthesisRequest("Привет", "baya")
    first = silero.synthesize(request)
    silero.synthesize(SynthesisRequest("другое", "baya"))
    assert silero.synthesize(request) == first


def test_speed_stretches_the_sound(silero: Synthesizer) -> None:
    slow = silero.synthesize(SynthesisRequest("Привет, мир", "baya", speed=0.25))
    assert slow.duration_s == pytest.approx(4.4, rel=0.05)


def test_its_licence_is_told_and_is_for_no_trade(checkpoint: Path) -> None:
    assert config_of(checkpoint).licence == "CC-BY-NC-4.0"


def test_what_it_cannot_read_is_said_so_and_the_next_is_read(silero: Synthesizer) -> None:
    with pytest.raises(UnspeakableError, match="no letter that is known"):
        silero.synthesize(SynthesisRequest("hello", "baya"))
    assert silero.synthesize(SynthesisRequest("...!", "baya")).pcm == b""
    assert silero.synthesize(SynthesisRequest("слово", "baya")).duration_s > 0


def test_another_file_than_the_configured_one_is_not_run(checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match="not the configured"):
        load_synthesizer(config_of(checkpoint, sha256="0" * 64))


def test_a_file_that_is_missing_or_no_model_is_refused(tmp_path: Path, checkpoint: Path) -> None:
    settings = config_of(checkpoint).model_dump()
    with pytest.raises(ConfigError, match="there is no file"):
        load_synthesizer(SynthesizerConfig(**{**settings, "checkpoint": str(tmp_path / "a.pt")}))
    (tmp_path / "a.pt").write_bytes(b"something else")
    with pytest.raises(ConfigError, match="is no Silero model"):
        load_synthesizer(config_of(tmp_path / "a.pt"))


def test_a_speaker_that_it_has_not_is_refused(checkpoint: Path) -> None:
    voices = {"ru": [{"name": "zoe", "speaker": "zoe"}]}
    with pytest.raises(ConfigError, match="no speaker zoe; it has aidar, baya, random"):
        load_synthesizer(config_of(checkpoint, voices=voices))
