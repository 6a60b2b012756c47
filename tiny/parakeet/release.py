"""Options -> trained parakeet-tiny with its manifests, figures and model card."""

from __future__ import annotations

from pathlib import Path

from tiny.parakeet.card import render_card
from tiny.parakeet.evaluate import evaluate
from tiny.parakeet.train import save, train
from tiny.release import Release, TrainingOptions
from tiny.speech import corpus
from tiny.speech.recordings import TRAINING_SPEAKERS
from tiny.speech.voices import ENGLISH_ACCENTS, TRAINING_VARIANTS

RELEASE = Release(
    "parakeet-tiny",
    recipe=(
        "speech", "targets.py", "parakeet/tdt_loss.py", "parakeet/train.py",
        "parakeet/parakeet.yaml", "data",
    ),
)  # fmt: skip


def train_release(options: TrainingOptions, scratch: Path, *, goes_on: bool) -> None:
    """Train, and write the weights, what they heard, and how."""
    begun = RELEASE.begin(goes_on=goes_on)
    model, report = train(options, scratch, RELEASE.weights if goes_on else None)
    save(model, RELEASE.weights)
    speech = {
        "speakers": TRAINING_SPEAKERS,
        "accents": ENGLISH_ACCENTS,
        "variants": TRAINING_VARIANTS,
    }
    heard = corpus.manifest(corpus.draw_rows(options.num_rows, options.seed))
    parameters = sum(p.numel() for p in model.parameters())
    RELEASE.record(begun, options, report, parameters, [speech, *heard])


def evaluate_release(seed: int) -> str:
    """Measure the weights on disk, write facts and card, and return the card."""
    return RELEASE.measure(seed, evaluate, render_card)
