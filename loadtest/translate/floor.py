"""Utterances in; what the model and the voice take for each of them with nothing around, out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr  # type: ignore[import-untyped]  # ships no stubs

from serve_app.audio.waveform import SAMPLE_RATE_HZ, Chunk
from serve_app.config import ServerConfig
from serve_app.ingress.voices import ServedVoices
from serve_app.models.loader import load_recognizer, load_synthesizer
from serve_app.models.protocols import RecognitionOptions, RecognitionRequest, SynthesisRequest
from serve_app.transcript.sentences import sentences_of

RATE_HZ = 24_000
"""Of what is said and of what comes back."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One phrase, spoken."""

    source: str
    target: str
    text: str
    """What it is in the target language."""
    pcm: bytes
    """PCM16LE at `RATE_HZ`, without silence around it."""

    @property
    def duration_s(self) -> float:
        return len(self.pcm) / 2 / RATE_HZ


@dataclass(frozen=True, slots=True)
class Alone:
    """What one utterance took."""

    text: str
    model_s: float
    voice_s: float
    """Of the first sentence."""

    @property
    def sound_s(self) -> float:
        return self.model_s + self.voice_s


class Engines:
    """The configured model that translates and the first synthesizer, in this process."""

    def __init__(self, config: ServerConfig, model: str) -> None:
        self._voices = ServedVoices(config)
        self._model = load_recognizer(next(m for m in config.models if m.name == model))
        self._speaker = load_synthesizer(config.synthesizers[0])

    def speech(self, text: str, language: str) -> bytes:
        """At `RATE_HZ`, in the default voice of the language."""
        voice = self._voices.of_language(language).name
        spoken = self._speaker.synthesize(SynthesisRequest(text, voice))
        samples = np.frombuffer(spoken.pcm, "<i2").astype(np.float32)
        resampled = soxr.resample(samples, spoken.sample_rate_hz, RATE_HZ)
        return np.clip(resampled, -32768, 32767).astype("<i2").tobytes()

    def translate(self, utterance: Utterance) -> Alone:
        """One row by itself, and its first sentence spoken."""
        samples = np.frombuffer(utterance.pcm, "<i2").astype(np.float32)
        at_16_khz = soxr.resample(samples, RATE_HZ, SAMPLE_RATE_HZ)
        pcm = np.clip(at_16_khz, -32768, 32767).astype("<i2").tobytes()
        options = RecognitionOptions(
            language=utterance.source, target_language=utterance.target, word_times=False
        )
        began_at = time.perf_counter()
        request = RecognitionRequest(Chunk(pcm, 0.0), options)
        (found,) = self._model.recognize(self._model.prepare([request]))
        model_s = time.perf_counter() - began_at
        first = next(iter(sentences_of(found.text)), "")
        began_at = time.perf_counter()
        self.speech(first, utterance.target)
        return Alone(found.text, model_s, time.perf_counter() - began_at)

    def all_alone(self, utterances: Sequence[Utterance]) -> list[Alone]:
        """Each once, after one that warms up."""
        self.translate(utterances[0])
        return [self.translate(utterance) for utterance in utterances]
