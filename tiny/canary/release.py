"""Options -> trained canary-tiny with its manifests, figures and model card."""

from __future__ import annotations

import gzip
import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from nemo.collections.asr.models import ASRModel

from tiny.canary.card import render_card
from tiny.canary.evaluate import evaluate
from tiny.canary.model import save
from tiny.canary.speech import rows as speech_rows
from tiny.canary.speech.corpus import Corpus, write_corpus
from tiny.canary.speech.voices import ACCENTS
from tiny.canary.train import TrainingOptions, train
from tiny.speech.recordings import TRAINING_SPEAKERS
from tiny.speech.voices import TRAINING_VARIANTS

__all__ = ["TrainingOptions", "evaluate_release", "train_release"]

TINY = Path(__file__).parent.parent
WEIGHTS = TINY / "weights" / "canary-tiny.nemo"
FACTS = WEIGHTS.with_suffix(".json")
CARD = WEIGHTS.with_suffix(".md")
TRAINING_MANIFEST = WEIGHTS.with_suffix(".train.jsonl.gz")

UNCOMMITTED = "not committed"

_SPEECH_RECIPE = (
    "canary/speech/phrases.py", "canary/speech/phrases.yaml", "canary/speech/voices.py",
    "canary/speech/rows.py", "speech/augment.py", "speech/recordings.py", "speech/voices.py",
    "speech/grammar.py", "data/index.json", "data/george.flac", "data/jackson.flac",
    "data/lucas.flac", "data/nicolas.flac",
)  # fmt: skip
_RECIPE = (
    *_SPEECH_RECIPE, "canary/speech/corpus.py", "canary/tokens.py", "canary/model.py",
    "canary/canary.yaml", "canary/aligner.yaml", "canary/train.py", "targets.py",
)  # fmt: skip


def train_release(options: TrainingOptions, scratch: Path) -> None:
    """Make the speech, train, and write the weights, what they heard, and how."""
    commit, recipe = _commit(), digest(_RECIPE)
    rows = speech_rows.draw_rows(options.num_rows, options.seed)
    # What the recordings are made by is in the folder's name: older ones are not mixed in.
    folder = scratch / f"speech-{options.seed}-{digest(_SPEECH_RECIPE)[:12]}"
    write_corpus(rows, options.seed, folder)
    models, report = train(options, Corpus(rows, folder), scratch)
    save(models, WEIGHTS)
    _write_training_manifest(rows)
    training = {
        "commit": commit,
        "recipe_sha256": recipe,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {options.num_threads} threads, no GPU",
        "torch": torch.__version__,
        "parameters": models.num_parameters(),
        "options": asdict(options),
        "report": asdict(report),
    }
    FACTS.write_text(_dump({"training": training}))


def evaluate_release(seed: int) -> str:
    """Measure the weights on disk, write facts and card, and return the card."""
    facts: dict[str, Any] = json.loads(FACTS.read_text())
    training = facts["training"]
    if training["commit"] == UNCOMMITTED and training["recipe_sha256"] == digest(_RECIPE):
        # The very recipe has been committed since: now it has a name.
        training["commit"] = _commit()
    torch.set_num_threads(training["options"]["num_threads"])
    canary = ASRModel.restore_from(str(WEIGHTS), map_location="cpu")
    facts["weights"] = {
        "sha256": hashlib.sha256(WEIGHTS.read_bytes()).hexdigest(),
        "bytes": WEIGHTS.stat().st_size,
    }
    facts["evaluation"] = {"seed": seed, "figures": evaluate(canary, seed)}
    FACTS.write_text(_dump(facts))
    card = render_card(facts)
    CARD.write_text(card)
    return card


def digest(names: Iterable[str]) -> str:
    """Return the hash of files of this folder, in their order."""
    hashed = hashlib.sha256()
    for name in names:
        hashed.update((TINY / name).read_bytes())
    return hashed.hexdigest()


def _commit() -> str:
    """Return the commit whose recipe this is, or that there is none."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=TINY, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", *_RECIPE)
        return UNCOMMITTED if changed else git("rev-parse", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return UNCOMMITTED


def _write_training_manifest(rows: list[speech_rows.Row]) -> None:
    speech = {
        "speakers": TRAINING_SPEAKERS,
        "accents": ACCENTS,
        "variants": TRAINING_VARIANTS,
    }
    entries = [speech, *speech_rows.manifest(rows)]
    lines = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
    # A fixed time keeps the file the same when the transcripts are.
    TRAINING_MANIFEST.write_bytes(gzip.compress(lines.encode(), mtime=0))


def _dump(facts: dict[str, Any]) -> str:
    return json.dumps(facts, indent=2) + "\n"
