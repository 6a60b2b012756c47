"""canary-tiny, asked as the server asks it -> figures of texts, languages, times, silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nemo.collections.asr.metrics.wer import word_error_rate
from nemo.collections.asr.models import EncDecMultiTaskModel

from serve_app.audio.waveform import Chunk
from serve_app.config import ModelConfig
from serve_app.models.offline.canary import CanaryRecognizer
from serve_app.models.protocols import RecognitionOptions, RecognitionRequest
from serve_app.transcript.types import Hypothesis, Word
from tiny.canary import items as sets
from tiny.canary.items import Item, draw_items, render, write_manifest
from tiny.canary.speech.phrases import LANGUAGES, PIVOT, plain
from tiny.speech import voices
from tiny.speech.voices import Utterance

BATCH_SIZE = 24

CONFIG = ModelConfig(
    name="canary-tiny",
    kind="canary",
    checkpoint="tiny/weights/canary-tiny.nemo",
    languages=LANGUAGES,
    pivot_language=PIVOT,
    fallback_language=PIVOT,
)
"""As `configs/tiny.yaml` has it."""


@dataclass(frozen=True, slots=True)
class Set:
    """A set that was made once, to be asked several things."""

    items: Sequence[Item]
    spoken: Sequence[Utterance]


def evaluate(canary: EncDecMultiTaskModel, seed: int) -> dict[str, Any]:
    """Return all figures, and write the sets' manifests."""
    recognizer = CanaryRecognizer(canary, CONFIG)
    made = {name: _make(name, seed) for name in sets.NUM_ITEMS}
    speech = {language: made[name] for language, name in sets.SPEECH_SETS.items()}
    return {
        "recognition": {
            language: _recognized(recognizer, chosen, language)
            for language, chosen in speech.items()
        },
        "translation": {
            f"{source}-{target}": _written(recognizer, speech[source], source, target)
            for source in LANGUAGES
            for target in (LANGUAGES[1:] if source == PIVOT else (PIVOT,))
        },
        "digits": {
            line: _recognized(recognizer, made[name], PIVOT)
            for line, name in sets.DIGITS_SETS.items()
        },
        "word_times": {
            language: _time_errors(recognizer, made[name], language)
            for language, name in sets.TIMED_SETS.items()
        },
        "silence": _silence(recognizer, made[sets.SILENCE_SET]),
    }


def ask(
    recognizer: CanaryRecognizer,
    spoken: Sequence[Utterance],
    options: Sequence[RecognitionOptions],
) -> list[Hypothesis]:
    """Return what is heard in each recording, asked with its own options, in their order."""
    found: dict[int, Hypothesis] = {}
    order = sorted(range(len(spoken)), key=lambda place: len(spoken[place].waveform))
    for start in range(0, len(order), BATCH_SIZE):
        places = order[start : start + BATCH_SIZE]
        requests = [
            RecognitionRequest(Chunk(_pcm(spoken[place]), 0.0), options[place]) for place in places
        ]
        heard = recognizer.recognize(recognizer.prepare(requests))
        found.update(zip(places, heard, strict=True))
    return [found[place] for place in range(len(spoken))]


def _pcm(utterance: Utterance) -> bytes:
    return (np.clip(utterance.waveform, -1, 1) * 32767).round().astype("<i2").tobytes()


def _make(name: str, seed: int) -> Set:
    items = draw_items(name, seed)
    write_manifest(name, items)
    return Set(items, [render(item) for item in items])


def _recognized(recognizer: CanaryRecognizer, chosen: Set, language: str) -> dict[str, float]:
    return {
        "recordings": len(chosen.items),
        **_written(recognizer, chosen, language, language),
        "identified": _identified(recognizer, chosen, language),
    }


def _written(
    recognizer: CanaryRecognizer, chosen: Set, source: str, target: str
) -> dict[str, float]:
    """Compare what is written with what should be, with and without punctuation."""
    figures: dict[str, float] = {}
    for pnc, ending in ((False, ""), (True, "_pnc")):
        options = RecognitionOptions(source, target, pnc=pnc, word_times=False)
        wanted = [item.text(target) for item in chosen.items]
        wanted = wanted if pnc else list(map(plain, wanted))
        found = [h.text for h in ask(recognizer, chosen.spoken, [options] * len(wanted))]
        right = sum(f == w for f, w in zip(found, wanted, strict=True))
        figures[f"wer{ending}"] = round(word_error_rate(found, wanted), 4)
        figures[f"exact{ending}"] = round(right / len(wanted), 4)
    return figures


def _identified(recognizer: CanaryRecognizer, chosen: Set, language: str) -> float:
    options = RecognitionOptions(word_times=False)
    found = ask(recognizer, chosen.spoken, [options] * len(chosen.items))
    return round(sum(h.spoken_language == language for h in found) / len(found), 4)


def _silence(recognizer: CanaryRecognizer, chosen: Set) -> dict[str, float]:
    """Count the recordings of noise of which nothing is written, in any language."""
    texts = [
        hypothesis.text
        for language in LANGUAGES
        for hypothesis in ask(
            recognizer, chosen.spoken, [RecognitionOptions(language)] * len(chosen.items)
        )
    ]
    return {"recordings": len(chosen.items), "empty": round(texts.count("") / len(texts), 4)}


def _time_errors(recognizer: CanaryRecognizer, chosen: Set, language: str) -> dict[str, float]:
    """Compare the middles of words in the recordings that were recognised rightly."""
    options = RecognitionOptions(language, pnc=True)
    found = ask(recognizer, chosen.spoken, [options] * len(chosen.items))
    right = [
        (utterance, hypothesis.words)
        for utterance, item, hypothesis in zip(chosen.spoken, chosen.items, found, strict=True)
        if hypothesis.text == item.text(language) and hypothesis.words is not None
    ]
    errors_ms = np.array(
        [
            1000 * abs(_middle(truth) - _middle(word))
            for utterance, words in right
            for truth, word in zip(utterance.words, words, strict=True)
        ]
    )
    return {
        "recordings": len(right),
        "words": len(errors_ms),
        "midpoint_error_ms_median": round(float(np.median(errors_ms)), 1),
        "midpoint_error_ms_p90": round(float(np.percentile(errors_ms, 90)), 1),
    }


def _middle(word: Word | voices.Word) -> float:
    return (word.start_s + word.end_s) / 2
