"""Options -> trained parakeet-tiny with its manifests, figures and model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from nemo.collections.asr.models import EncDecHybridRNNTCTCBPEModel

from tiny.hybrid import go_on_from, save, train
from tiny.parakeet.card import render_card
from tiny.parakeet.evaluate import evaluate
from tiny.parakeet.rows import draw_rows
from tiny.parakeet.train import RECIPE
from tiny.release import Release, TrainingOptions, TrainingReport, epochs_begun
from tiny.speech import corpus
from tiny.speech.recordings import TRAINING_SPEAKERS
from tiny.speech.voices import ENGLISH_ACCENTS, TRAINING_VARIANTS

RELEASE = Release(
    "parakeet-tiny",
    recipe=(
        "speech", "targets.py", "hybrid.py", "parakeet/tdt_loss.py", "parakeet/rows.py",
        "parakeet/train.py", "parakeet/parakeet.yaml", "data",
    ),
)  # fmt: skip


def train_release(options: TrainingOptions, scratch: Path, *, goes_on: bool) -> None:
    """Train, and write the weights, what they heard, and how."""
    begun = RELEASE.begin(goes_on=goes_on)
    rows = draw_rows(options.num_rows, options.seed)
    start = partial(go_on_from, weights=RELEASE.weights) if goes_on else None
    trained = train(RECIPE, options, rows, scratch, start, first_epoch=epochs_begun(begun))
    write(RELEASE, begun, options, rows, *trained)


def write(
    release: Release,
    begun: Mapping[str, Any],
    options: TrainingOptions,
    rows: Sequence[corpus.Row],
    model: EncDecHybridRNNTCTCBPEModel,
    report: TrainingReport,
) -> None:
    """Write a model that learnt English from `rows`, and what it heard."""
    save(model, release.weights)
    speech = {
        "speakers": TRAINING_SPEAKERS,
        "accents": ENGLISH_ACCENTS,
        "variants": TRAINING_VARIANTS,
    }
    heard = corpus.manifest(rows)
    parameters = sum(p.numel() for p in model.parameters())
    release.record(begun, options, report, parameters, [speech, *heard])


def evaluate_release(seed: int) -> str:
    """Measure the weights on disk, write facts and card, and return the card."""
    return RELEASE.measure(seed, evaluate, render_card)
