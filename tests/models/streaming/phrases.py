"""The household phrases that lie in the repository, in five languages, as samples."""

import json
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from serve_app.audio.waveform import SAMPLE_RATE_HZ
from tests.models.streaming.streams import Samples, pcm

_FOLDER = Path(__file__).resolve().parents[3] / "tiny" / "samples" / "canary"


@dataclass(frozen=True)
class Phrase:
    samples: Samples
    language: str
    text: str


@cache
def phrases() -> tuple[Phrase, ...]:
    rows = json.loads((_FOLDER / "samples.json").read_text())
    return tuple(Phrase(_read(row["file"]), row["language"], row["text"]) for row in rows)


def _read(name: str) -> Samples:
    waveform, rate_hz = sf.read(_FOLDER / name, dtype="float32")
    return pcm(soxr.resample(waveform, rate_hz, SAMPLE_RATE_HZ))


def any_phrase(rng: random.Random) -> Samples:
    """One or two phrases with pauses; some of them cut off anywhere."""
    parts = [np.zeros(rng.randint(0, 6_000), np.int16)]
    for phrase in rng.choices(phrases(), k=rng.choice((1, 1, 2))):
        parts += [phrase.samples, np.zeros(rng.randint(2_000, 20_000), np.int16)]
    samples = np.concatenate(parts)
    return samples[: rng.randint(0, len(samples))] if rng.random() < 0.3 else samples
