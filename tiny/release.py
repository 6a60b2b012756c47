"""What ships of a tiny model, and how its weights came to be: files, commit, recipe, stages."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import platform
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from nemo.collections.asr.models import ASRModel

TINY = Path(__file__).parent
UNCOMMITTED = "not committed"
_DECIDES = {".py", ".yaml", ".flac", ".json"}


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """What `python -m tiny MODEL` may choose; each model has its own defaults."""

    seed: int
    epochs: int
    minutes: float
    """Time limit for the steps: the learning rate comes down in time for it."""
    num_rows: int
    batch_audio_s: float
    peak_learning_rate: float = 2e-3
    num_threads: int = 2


@dataclass(frozen=True, slots=True)
class TrainingReport:
    epochs_done: float
    steps: int
    minutes: float
    speech_hours: float


@dataclass(frozen=True, slots=True)
class Release:
    """The files that ship for one model; `recipe` names what of this folder decides them."""

    name: str
    recipe: tuple[str, ...]

    @property
    def weights(self) -> Path:
        return TINY / "weights" / f"{self.name}.nemo"

    @property
    def facts(self) -> Path:
        return self.weights.with_suffix(".json")

    @property
    def card(self) -> Path:
        return self.weights.with_suffix(".md")

    @property
    def training_manifest(self) -> Path:
        return self.weights.with_suffix(".train.jsonl.gz")

    def begin(self, *, goes_on: bool) -> dict[str, Any]:
        """Return what is known before the training; call it then, for the tree may change.

        `goes_on` keeps what is known of the weights that lie there.
        """
        before = json.loads(self.facts.read_text())["training"] if goes_on else None
        return {"commit": self._commit(), "recipe_sha256": digest(self.recipe), "before": before}

    def record(
        self,
        begun: Mapping[str, Any],
        options: TrainingOptions,
        report: TrainingReport,
        parameters: int | Mapping[str, int],
        heard: Iterable[Mapping[str, object]],
    ) -> None:
        """Write how the weights were trained, and all that they `heard`."""
        training = {
            **begun,
            "date": datetime.now(UTC).date().isoformat(),
            "machine": f"{platform.machine()}, {options.num_threads} threads, no GPU",
            "torch": torch.__version__,
            "parameters": parameters,
            "options": asdict(options),
            "report": asdict(report),
        }
        self.facts.write_text(_dump({"training": training}))
        lines = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in heard)
        # A fixed time keeps the file the same when the transcripts are.
        self.training_manifest.write_bytes(gzip.compress(lines.encode(), mtime=0))

    def measure(
        self,
        seed: int,
        evaluate: Callable[[ASRModel, int], Mapping[str, Any]],
        render_card: Callable[[Mapping[str, Any]], str],
    ) -> str:
        """Measure the weights on disk, write facts and card, and return the card."""
        facts: dict[str, Any] = json.loads(self.facts.read_text())
        training = facts["training"]
        if training["commit"] == UNCOMMITTED and training["recipe_sha256"] == digest(self.recipe):
            # The very recipe has been committed since: now it has a name.
            training["commit"] = self._commit()
        torch.set_num_threads(training["options"]["num_threads"])
        model = ASRModel.restore_from(str(self.weights), map_location="cpu")
        facts["weights"] = {
            "sha256": hashlib.sha256(self.weights.read_bytes()).hexdigest(),
            "bytes": self.weights.stat().st_size,
        }
        facts["evaluation"] = {"seed": seed, "figures": evaluate(model, seed)}
        self.facts.write_text(_dump(facts))
        card = render_card(facts)
        self.card.write_text(card)
        return card

    def _commit(self) -> str:
        """Return the commit whose recipe this is, or that there is none."""

        def git(*arguments: str) -> str:
            done = subprocess.run(
                ["git", *arguments], cwd=TINY, capture_output=True, text=True, check=True
            )
            return done.stdout.strip()

        try:
            changed = git("status", "--porcelain", "--", *self.recipe)
            return UNCOMMITTED if changed else git("rev-parse", "HEAD")
        except (OSError, subprocess.CalledProcessError):
            return UNCOMMITTED


def epochs_begun(training: Mapping[str, Any]) -> int:
    """Return how many epochs the stages before this one have begun in all."""
    num_epochs = 0
    while before := training.get("before"):
        num_epochs += math.ceil(before["report"]["epochs_done"])
        training = before
    return num_epochs


def digest(names: Iterable[str]) -> str:
    """Return the hash of files of this folder, in their order; of a folder, all that decides."""
    hashed = hashlib.sha256()
    for path in (TINY / name for name in names):
        files = [path] if path.is_file() else sorted(path.iterdir())
        for file in files:
            if file.suffix in _DECIDES:
                hashed.update(file.read_bytes())
    return hashed.hexdigest()


def history(facts: Mapping[str, Any], *, file: str, command: str, heard: str) -> str:
    """Return the card's rows on file and training: the last stage, then those before it.

    `heard` says what `{num_rows:,}` are, and how often they were heard: `{epochs_done:.1f}`.
    """
    training, weights = facts["training"], facts["weights"]
    row = "| {} | {} |".format
    rows = [
        row(
            "file",
            f"`{file}`, {weights['bytes'] / 1e6:.1f} MB, sha256 `{weights['sha256']}`",
        ),
        row("recipe", _recipe(training, command)),
        row("recipe's hash", f"`{training['recipe_sha256']}`"),
        row(
            "trained",
            "{date}, {report[minutes]:.0f} minutes ({machine}, torch {torch})".format(**training),
        ),
        row("heard", _heard(training, heard)),
    ]
    while training := training.get("before"):
        rows.append(row("before that", f"{_recipe(training, command)}: {_heard(training, heard)}"))
    return "\n".join(rows)


def _recipe(training: Mapping[str, Any], command: str) -> str:
    options = "--seed {seed} --epochs {epochs} --minutes {minutes:g}".format(**training["options"])
    goes_on = " --continue" if training.get("before") else ""
    return f"`{command} {options}{goes_on}`, commit {training['commit']}"


def _heard(training: Mapping[str, Any], heard: str) -> str:
    said = heard.format(**training["report"], num_rows=training["options"]["num_rows"])
    return "{steps:,} steps, {speech_hours:.0f} h of speech: ".format(**training["report"]) + said


def _dump(facts: Mapping[str, Any]) -> str:
    return json.dumps(facts, indent=2) + "\n"
