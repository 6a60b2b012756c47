"""Options -> trained canary-tiny with its manifests, figures and model card."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tiny.canary.card import render_card
from tiny.canary.evaluate import evaluate
from tiny.canary.model import build_models, go_on_from, save, take_encoder
from tiny.canary.speech import rows as speech_rows
from tiny.canary.speech.corpus import Corpus, write_corpus
from tiny.canary.speech.voices import ACCENTS
from tiny.canary.tokens import build_tokenizers
from tiny.canary.train import train
from tiny.parakeet.release import RELEASE as PARAKEET
from tiny.release import Release, TrainingOptions, digest
from tiny.speech.recordings import TRAINING_SPEAKERS
from tiny.speech.voices import TRAINING_VARIANTS

_SPEECH_RECIPE = (
    "canary/speech/phrases.py", "canary/speech/phrases.yaml", "canary/speech/voices.py",
    "canary/speech/rows.py", "speech/augment.py", "speech/recordings.py", "speech/voices.py",
    "speech/grammar.py", "data/index.json", "data/george.flac", "data/jackson.flac",
    "data/lucas.flac", "data/nicolas.flac",
)  # fmt: skip
RELEASE = Release(
    "canary-tiny",
    recipe=(
        *_SPEECH_RECIPE, "canary/speech/corpus.py", "canary/tokens.py", "canary/model.py",
        "canary/canary.yaml", "canary/aligner.yaml", "canary/train.py", "targets.py",
    ),
)  # fmt: skip


def train_release(options: TrainingOptions, scratch: Path, *, goes_on: bool) -> None:
    """Make the speech, train, and write the weights, what they heard, and how.

    The first stage begins with the encoder of parakeet-tiny, as it lies beside.
    """
    begun = RELEASE.begin(goes_on=goes_on)
    rows = speech_rows.draw_rows(options.num_rows, options.seed)
    # What the recordings are made by is in the folder's name: older ones are not mixed in.
    folder = scratch / f"speech-{options.seed}-{digest(_SPEECH_RECIPE)[:12]}"
    write_corpus(rows, options.seed, folder)
    build_tokenizers(scratch / "tokenizers")
    models = build_models(scratch / "tokenizers", options.seed)
    if goes_on:
        go_on_from(models, RELEASE.weights)
    else:
        take_encoder(models, PARAKEET.weights)
        begun["encoder_sha256"] = hashlib.sha256(PARAKEET.weights.read_bytes()).hexdigest()
    report = train(options, models, Corpus(rows, folder), scratch, goes_on=goes_on)
    save(models, RELEASE.weights)
    speech = {"speakers": TRAINING_SPEAKERS, "accents": ACCENTS, "variants": TRAINING_VARIANTS}
    heard = speech_rows.manifest(rows)
    RELEASE.record(begun, options, report, models.num_parameters(), [speech, *heard])


def evaluate_release(seed: int) -> str:
    """Measure the weights on disk, write facts and card, and return the card."""
    return RELEASE.measure(seed, evaluate, render_card)
