"""Options -> trained parakeet-streaming-tiny with its manifests, figures and model card."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

from tiny.hybrid import go_on_from, train
from tiny.parakeet.release import RELEASE as PARAKEET
from tiny.parakeet.release import write
from tiny.release import Release, TrainingOptions, epochs_begun
from tiny.streaming.card import render_card
from tiny.streaming.evaluate import evaluate
from tiny.streaming.rows import draw_rows
from tiny.streaming.train import RECIPE, begin_with

RELEASE = Release(
    "parakeet-streaming-tiny",
    recipe=(
        "speech", "targets.py", "hybrid.py", "parakeet/tdt_loss.py", "streaming/rnnt_loss.py",
        "streaming/rows.py", "streaming/train.py", "streaming/streaming.yaml", "data",
    ),
)  # fmt: skip


def train_release(options: TrainingOptions, scratch: Path, *, goes_on: bool) -> None:
    """Train, and write the weights, what they heard, and how.

    The first stage begins with the weights of parakeet-tiny, as they lie beside.
    """
    begun = RELEASE.begin(goes_on=goes_on)
    if goes_on:
        start = partial(go_on_from, weights=RELEASE.weights)
    else:
        start = partial(begin_with, weights=PARAKEET.weights)
        begun["began_with_sha256"] = hashlib.sha256(PARAKEET.weights.read_bytes()).hexdigest()
    rows = draw_rows(options.num_rows, options.seed)
    trained = train(RECIPE, options, rows, scratch, start, first_epoch=epochs_begun(begun))
    write(RELEASE, begun, options, rows, *trained)


def evaluate_release(seed: int) -> str:
    """Measure the weights on disk, write facts and card, and return the card."""
    return RELEASE.measure(seed, partial(evaluate, RELEASE.weights), render_card)
