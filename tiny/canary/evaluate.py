"""canary-tiny -> its figures: recognition, translation, languages, word times, silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nemo.collections.asr.metrics.wer import word_error_rate
from nemo.collections.asr.models import EncDecMultiTaskModel

from tiny.canary import items as sets
from tiny.canary.decode import Heard, Request, align, hear, identify, write_down
from tiny.canary.items import Item, draw_items, render, write_manifest
from tiny.canary.speech.phrases import LANGUAGES, PIVOT, plain
from tiny.speech.voices import Utterance, Word

BATCH_SIZE = 24


@dataclass(frozen=True, slots=True)
class Set:
    """A set that was made and encoded once, to be asked several things."""

    items: Sequence[Item]
    spoken: Sequence[Utterance]
    batches: Sequence[tuple[Sequence[int], Heard]]


def evaluate(canary: EncDecMultiTaskModel, seed: int) -> dict[str, Any]:
    """Return all figures, and write the sets' manifests."""
    canary.eval()
    made = {name: _make(canary, name, seed) for name in sets.NUM_ITEMS}
    speech = {language: made[name] for language, name in sets.SPEECH_SETS.items()}
    timed = {language: made[name] for language, name in sets.TIMED_SETS.items()}
    digits = {line: made[name] for line, name in sets.DIGITS_SETS.items()}
    return {
        "recognition": {
            language: {
                "recordings": len(chosen.items),
                **_written(canary, chosen, language, language),
                "identified": _identified(canary, chosen, language),
            }
            for language, chosen in speech.items()
        },
        "translation": {
            f"{source}-{target}": _written(canary, speech[source], source, target)
            for source in LANGUAGES
            for target in (LANGUAGES[1:] if source == PIVOT else (PIVOT,))
        },
        "digits": {
            line: {
                "recordings": len(chosen.items),
                **_written(canary, chosen, PIVOT, PIVOT),
                "identified": _identified(canary, chosen, PIVOT),
            }
            for line, chosen in digits.items()
        },
        "word_times": {
            language: _time_errors(canary, chosen, language) for language, chosen in timed.items()
        },
        "silence": _silence(canary, made[sets.SILENCE_SET]),
    }


def ask(
    canary: EncDecMultiTaskModel, chosen: Set, source: str, target: str, *, pnc: bool
) -> list[str]:
    """Return the text of every recording of a set, in the set's order."""
    texts = [""] * len(chosen.items)
    for places, heard in chosen.batches:
        requests = [Request(source, target, pnc)] * len(places)
        for place, text in zip(places, write_down(canary, heard, requests), strict=True):
            texts[place] = text
    return texts


def _make(canary: EncDecMultiTaskModel, name: str, seed: int) -> Set:
    items = draw_items(name, seed)
    write_manifest(name, items)
    spoken = [render(item) for item in items]
    order = sorted(range(len(spoken)), key=lambda place: len(spoken[place].waveform))
    groups = [order[start : start + BATCH_SIZE] for start in range(0, len(order), BATCH_SIZE)]
    batches = [
        (group, hear(canary, [spoken[place].waveform for place in group])) for group in groups
    ]
    return Set(items, spoken, batches)


def _written(
    canary: EncDecMultiTaskModel, chosen: Set, source: str, target: str
) -> dict[str, float]:
    """Compare what is written with what should be, with and without punctuation."""
    figures: dict[str, float] = {}
    for pnc, ending in ((False, ""), (True, "_pnc")):
        wanted = [item.text(target) for item in chosen.items]
        wanted = wanted if pnc else list(map(plain, wanted))
        found = ask(canary, chosen, source, target, pnc=pnc)
        right = sum(f == w for f, w in zip(found, wanted, strict=True))
        figures[f"wer{ending}"] = round(word_error_rate(found, wanted), 4)
        figures[f"exact{ending}"] = round(right / len(wanted), 4)
    return figures


def _identified(canary: EncDecMultiTaskModel, chosen: Set, language: str) -> float:
    found = [name for _, heard in chosen.batches for name in identify(canary, heard)]
    return round(found.count(language) / len(found), 4)


def _silence(canary: EncDecMultiTaskModel, chosen: Set) -> dict[str, float]:
    """Count the recordings of noise of which nothing is written, in any language."""
    texts = [
        text for language in LANGUAGES for text in ask(canary, chosen, language, language, pnc=True)
    ]
    return {"recordings": len(chosen.items), "empty": round(texts.count("") / len(texts), 4)}


def _time_errors(canary: EncDecMultiTaskModel, chosen: Set, language: str) -> dict[str, float]:
    """Align the true transcripts, with punctuation, and compare the middles of words."""
    aligned = align(
        canary,
        [utterance.waveform for utterance in chosen.spoken],
        [item.text(language) for item in chosen.items],
    )
    errors_ms = np.array(
        [
            1000 * abs(_middle(truth) - _middle(word))
            for utterance, words in zip(chosen.spoken, aligned, strict=True)
            for truth, word in zip(utterance.words, words, strict=True)
        ]
    )
    return {
        "recordings": len(chosen.items),
        "words": len(errors_ms),
        "midpoint_error_ms_median": round(float(np.median(errors_ms)), 1),
        "midpoint_error_ms_p90": round(float(np.percentile(errors_ms, 90)), 1),
    }


def _middle(word: Word) -> float:
    return (word.start_s + word.end_s) / 2
