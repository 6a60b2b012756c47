"""Unseen phrases in five languages -> the bundled samples, in codecs that people send.

What is said, and in which of the unseen voices, is fixed by the seed, before any model has
heard it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from tiny.canary.speech import phrases, voices
from tiny.canary.speech.phrases import LANGUAGES, PIVOT
from tiny.speech import augment
from tiny.speech.voices import SAMPLE_RATE_HZ

SAMPLES = Path(__file__).parent.parent / "samples" / "canary"
SEED = 2026
PER_LANGUAGE = 2

_FORMATS = {"wav": ("WAV", "ULAW"), "mp3": ("MP3", "MPEG_LAYER_III"), "ogg": ("OGG", "OPUS")}
_CODECS = {"wav": "G.711 µ-law, 16 kHz", "mp3": "MP3", "ogg": "Opus"}


def make_samples() -> list[dict[str, Any]]:
    """Write tiny/samples/canary/ and its manifest; return the manifest."""
    SAMPLES.mkdir(parents=True, exist_ok=True)
    rng = random.Random(f"canary samples {SEED}")
    manifest: list[dict[str, Any]] = []
    for language in LANGUAGES:
        for number in range(1, PER_LANGUAGE + 1):
            suffix = tuple(_FORMATS)[len(manifest) % len(_FORMATS)]
            file = f"{language}-{number}.{suffix}"
            manifest.append(_make(language, file, rng))
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (SAMPLES / "samples.json").write_text(text + "\n")
    lines = [json.dumps(row, ensure_ascii=False) for each in manifest for row in _asked(each)]
    (SAMPLES / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return manifest


def _asked(sample: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield a row of NeMo's kind of manifest for the transcript and for each translation."""
    texts = {sample["language"]: sample["text"], **sample["translations"]}
    for target, text in texts.items():
        yield {
            "audio_filepath": sample["file"],
            "source_lang": sample["language"],
            "target_lang": target,
            "text": text,
        }


def _make(language: str, file: str, rng: random.Random) -> dict[str, Any]:
    phrase = phrases.draw_phrase(rng, held_out=True)
    spoken = voices.say_synthetic(phrase, language, rng, held_out=True)
    joined = augment.join([spoken], [0.3, 0.4])
    waveform = augment.add_noise(augment.match_level(joined.waveform, -24.0), rng, snr_db=40)
    container, subtype = _FORMATS[Path(file).suffix[1:]]
    soundfile.write(
        SAMPLES / file, np.clip(waveform, -1, 1), SAMPLE_RATE_HZ, format=container, subtype=subtype
    )
    others = LANGUAGES[1:] if language == PIVOT else (PIVOT,)
    return {
        "file": file,
        "language": language,
        "text": phrase.sentences[language],
        "plain_text": phrases.plain(phrase.sentences[language]),
        "translations": {other: phrase.sentences[other] for other in others},
        "speaker": f"espeak-ng {spoken.speaker}",
        "codec": _CODECS[Path(file).suffix[1:]],
        "duration_s": round(len(waveform) / SAMPLE_RATE_HZ, 2),
    }
