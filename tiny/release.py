"""Options -> trained weights with their manifests, figures and model card."""

from __future__ import annotations

import gzip
import hashlib
import json
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from nemo.collections.asr.models import ASRModel

from tiny.card import render_card
from tiny.evaluate import evaluate
from tiny.parakeet import TrainingOptions, save, train
from tiny.speech import corpus
from tiny.speech.recordings import TRAINING_SPEAKERS
from tiny.speech.voices import ENGLISH_ACCENTS, TRAINING_VARIANTS

__all__ = ["Release", "TrainingOptions"]

HERE = Path(__file__).parent
UNCOMMITTED = "not committed"

_RECIPE = ("speech", "targets.py", "tdt_loss.py", "parakeet.py", "parakeet.yaml", "data")


@dataclass(frozen=True, slots=True)
class Release:
    """The files that ship for one model."""

    weights: Path
    facts: Path
    card: Path
    training_manifest: Path

    @classmethod
    def parakeet(cls) -> Release:
        stem = HERE / "weights" / "parakeet-tiny"
        return cls(
            weights=stem.with_suffix(".nemo"),
            facts=stem.with_suffix(".json"),
            card=stem.with_suffix(".md"),
            training_manifest=stem.with_suffix(".train.jsonl.gz"),
        )

    def train(self, options: TrainingOptions, scratch: Path, *, goes_on: bool = False) -> None:
        """Train, and write the weights, what they were trained on, and how.

        `goes_on` starts from the weights that lie there, and keeps what is known of them.
        """
        commit, digest = _commit(), recipe_digest()
        before = json.loads(self.facts.read_text())["training"] if goes_on else None
        model, report = train(options, scratch, self.weights if goes_on else None)
        save(model, self.weights)
        rows = corpus.draw_rows(options.num_rows, options.seed)
        _write_training_manifest(self.training_manifest, rows)
        training = {
            "commit": commit,
            "recipe_sha256": digest,
            "date": datetime.now(UTC).date().isoformat(),
            "machine": f"{platform.machine()}, {options.num_threads} threads, no GPU",
            "torch": torch.__version__,
            "parameters": sum(p.numel() for p in model.parameters()),
            "options": asdict(options),
            "report": asdict(report),
            "before": before,
        }
        self.facts.write_text(_dump({"training": training}))

    def evaluate(self, seed: int) -> str:
        """Measure the weights on disk, write facts and card, and return the card."""
        facts: dict[str, Any] = json.loads(self.facts.read_text())
        training = facts["training"]
        if training["commit"] == UNCOMMITTED and training["recipe_sha256"] == recipe_digest():
            # The very recipe has been committed since: now it has a name.
            training["commit"] = _commit()
        torch.set_num_threads(training["options"]["num_threads"])
        model = ASRModel.restore_from(str(self.weights), map_location="cpu")
        facts["weights"] = {
            "sha256": hashlib.sha256(self.weights.read_bytes()).hexdigest(),
            "bytes": self.weights.stat().st_size,
        }
        facts["evaluation"] = {"seed": seed, "sets": evaluate(model, seed)}
        self.facts.write_text(_dump(facts))
        card = render_card(facts)
        self.card.write_text(card)
        return card


def recipe_digest() -> str:
    """Return the hash of all that decides what the weights become."""
    digest = hashlib.sha256()
    for path in (HERE / name for name in _RECIPE):
        files = [path] if path.is_file() else sorted(path.iterdir())
        for file in files:
            if file.suffix in {".py", ".yaml", ".flac", ".json"}:
                digest.update(file.read_bytes())
    return digest.hexdigest()


def _commit() -> str:
    """Return the commit whose recipe this is, or that there is none."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=HERE, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", *_RECIPE)
        return UNCOMMITTED if changed else git("rev-parse", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return UNCOMMITTED


def _write_training_manifest(path: Path, rows: list[corpus.Row]) -> None:
    speech = {
        "speakers": TRAINING_SPEAKERS,
        "accents": ENGLISH_ACCENTS,
        "variants": TRAINING_VARIANTS,
    }
    lines = [json.dumps(speech), *(json.dumps(entry) for entry in corpus.manifest(rows))]
    # A fixed time keeps the file the same when the transcripts are.
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0))


def _dump(facts: dict[str, Any]) -> str:
    return json.dumps(facts, indent=2) + "\n"
