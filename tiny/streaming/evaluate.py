"""A model -> word error rates offline and in streams, and how long after it a word comes.

The recordings are those that parakeet-tiny is measured on, drawn from the same seed, so
that their figures stand side by side; beside them are the same digits, only softer, and
recordings in which nobody speaks.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from nemo.collections.asr.metrics.wer import word_error_rate
from nemo.collections.asr.models import EncDecHybridRNNTCTCBPEModel

from tiny.parakeet import card as parakeet
from tiny.parakeet.evaluate import draw_items, recognize, render, with_word_times
from tiny.parakeet.release import RELEASE as PARAKEET
from tiny.speech import augment
from tiny.speech.augment import Waveform
from tiny.speech.voices import Utterance
from tiny.streaming.card import LONG_SET, SOFT_SET
from tiny.streaming.rows import draw_nobody
from tiny.streaming.stream import LOOK_AHEADS, Heard, build_pipeline, stream

MANIFEST = Path(__file__).parent / "eval" / "nobody.jsonl"
NUM_NOBODY = 200

SOFT_DB = -20.0
"""How much softer than elsewhere the soft digits are."""

JOINED_SETS, NUM_LONG = ("commands", "synthetic-digits", "digits"), 6
"""What the long streams are joined from, and how many they are."""

TIMED_SETS = ("word-times", "digits")
"""Sets whose words have known times, since each was said alone."""


def evaluate(weights: Path, model: EncDecHybridRNNTCTCBPEModel, seed: int) -> dict[str, Any]:
    """Return the figures of every set, and write the manifest of those without words."""
    spoken = draw_sets(seed)
    waveforms = {name: [u.waveform for u in set_] for name, set_ in spoken.items()}
    nobody = draw_nobodies(seed)
    figures: dict[str, Any] = {
        name: {"recordings": len(set_), "words": sum(len(u.words) for u in set_), "streams": {}}
        for name, set_ in spoken.items()
    }
    figures["nobody"] = {"recordings": len(nobody), "streams": {}}
    figures["parakeet-tiny"] = _figures_of_parakeet(seed)

    with_word_times(model)
    for name, set_ in spoken.items():
        # Attention over minutes takes gigabytes: one of the long recordings at a time.
        batch_size = 1 if name == LONG_SET else 16
        offline = list(recognize(model, waveforms[name], batch_size=batch_size))
        figures[name]["wer"] = _wer([r.text for r in offline], set_)
        figures[name]["ctc_wer"] = _wer([r.ctc_text for r in offline], set_)
    figures["nobody"]["empty"] = _num_empty([r.text for r in recognize(model, nobody)])

    for look_ahead_ms in LOOK_AHEADS:
        pipeline = build_pipeline(weights, look_ahead_ms)
        for name, set_ in spoken.items():
            heard = stream(pipeline, waveforms[name])
            result = {"wer": _wer([h.text for h in heard], set_)}
            if name in TIMED_SETS:
                result |= delays(set_, heard)
            figures[name]["streams"][str(look_ahead_ms)] = result
        texts = [h.text for h in stream(pipeline, nobody)]
        figures["nobody"]["streams"][str(look_ahead_ms)] = {"empty": _num_empty(texts)}
    return figures


def draw_sets(seed: int, num_items: int = 150) -> dict[str, list[Utterance]]:
    """Make the recordings of all sets, each set sorted by length as batches like it."""
    spoken = {
        name: sorted(map(render, draw_items(name, seed, num_items)), key=_length)
        for name in parakeet.SETS
    }
    gain = 10 ** (SOFT_DB / 20)
    spoken[SOFT_SET] = [
        Utterance((u.waveform * gain).astype(np.float32), u.words, u.speaker)
        for u in spoken["digits"]
    ]
    joined = [u for name in JOINED_SETS for u in spoken[name]]
    random.Random(f"evaluation {LONG_SET} {seed}").shuffle(joined)
    parts = [joined[place::NUM_LONG] for place in range(NUM_LONG)]
    spoken[LONG_SET] = [augment.join(part, [0.0] * (len(part) + 1)) for part in parts]
    return spoken


def draw_nobodies(seed: int, num_items: int = NUM_NOBODY) -> list[Waveform]:
    """Make recordings without speech, and write their manifest."""
    rng = random.Random(f"evaluation nobody {seed}")
    seeds = [rng.getrandbits(32) for _ in range(num_items)]
    MANIFEST.parent.mkdir(exist_ok=True)
    entries = (
        {"id": f"nobody-{place:03}", "parts": [], "speaker": "nobody", "seed": item, "text": ""}
        for place, item in enumerate(seeds)
    )
    MANIFEST.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return sorted((draw_nobody(random.Random(item)) for item in seeds), key=len)


def delays(truth: Sequence[Utterance], heard: Sequence[Heard]) -> dict[str, float]:
    """Compare when words end and when they come, in the recordings recognised rightly.

    The clock is that of the audio: what the machine takes to compute is not in it.
    """
    delays_ms = [
        1000 * (said_s - word.end_s)
        for utterance, stream_ in zip(truth, heard, strict=True)
        if stream_.words == utterance.text.split()
        for word, said_s in zip(utterance.words, stream_.said_s, strict=True)
    ]
    return {
        "words_timed": len(delays_ms),
        "delay_ms_median": round(float(np.median(delays_ms)), 1),
        "delay_ms_p95": round(float(np.percentile(delays_ms, 95)), 1),
    }


def _figures_of_parakeet(seed: int) -> dict[str, Any]:
    """Return what parakeet-tiny, as it lies beside, was measured at on the same recordings."""
    facts = json.loads(PARAKEET.facts.read_text())
    if facts["evaluation"]["seed"] != seed:
        return {"sha256": facts["weights"]["sha256"], "wer": {}}
    sets = facts["evaluation"]["figures"]
    wer = {name: figures["wer"] for name, figures in sets.items() if name in parakeet.SETS}
    return {"sha256": facts["weights"]["sha256"], "wer": wer}


def _length(utterance: Utterance) -> int:
    return len(utterance.waveform)


def _wer(texts: Sequence[str], truth: Sequence[Utterance]) -> float:
    return round(word_error_rate(list(texts), [u.text for u in truth]), 4)


def _num_empty(texts: Sequence[str]) -> int:
    return sum(not text for text in texts)
