"""Answers to recordings whose words are known, in; how good and how fast they were, out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from serve_app.client import Transcription
from serve_app.wer import Errors, align, count_errors

_ALIGNED_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Score:
    """One recording that was answered. Texts are as they were compared."""

    path: Path
    direction: str
    """The language, or the two of a translation."""
    reference: str
    hypothesis: str
    answer: Transcription
    words: Errors = field(init=False)
    characters: Errors = field(init=False)

    def __post_init__(self) -> None:
        words = count_errors(self.reference.split(), self.hypothesis.split())
        object.__setattr__(self, "words", words)
        object.__setattr__(self, "characters", count_errors(self.reference, self.hypothesis))

    def row(self) -> dict[str, Any]:
        """For JSON; a rate that is infinite is null there."""
        return {
            "file": str(self.path),
            "direction": self.direction,
            "reference": self.reference,
            "hypothesis": self.hypothesis,
            "num_words": self.words.num_reference,
            "substitutions": self.words.substitutions,
            "deletions": self.words.deletions,
            "insertions": self.words.insertions,
            "wer": finite(self.words.rate),
            "cer": finite(self.characters.rate),
            "audio_s": self.answer.audio_s,
            "latency_s": round(self.answer.wall_s, 4),
            "stages_s": dict(self.answer.stages_s),
            "num_attempts": self.answer.num_attempts,
        }


def summary_of(scores: Sequence[Score], *, num_failed: int, wall_s: float) -> dict[str, Any]:
    """The whole set: errors summed over it, not averaged over its files."""
    words = sum((score.words for score in scores), Errors())
    characters = sum((score.characters for score in scores), Errors())
    latencies_s = [score.answer.wall_s for score in scores]
    audio_s = sum(score.answer.audio_s or 0.0 for score in scores)
    return {
        "num_files": len(scores) + num_failed,
        "num_failed": num_failed,
        "num_words": words.num_reference,
        "wer": finite(words.rate),
        "substitutions": words.substitutions,
        "deletions": words.deletions,
        "insertions": words.insertions,
        "cer": finite(characters.rate),
        "num_exact": sum(score.words.total == 0 for score in scores),
        "audio_s": round(audio_s, 3),
        "wall_s": round(wall_s, 3),
        "audio_s_per_s": round(audio_s / wall_s, 2),
        "latency_p50_s": quantile(latencies_s, 0.5),
        "latency_p95_s": quantile(latencies_s, 0.95),
        "simulated": any(score.answer.simulated for score in scores),
        "directions": directions_of(scores),
    }


def directions_of(scores: Sequence[Score]) -> dict[str, dict[str, Any]]:
    """The errors of each language and of each direction of translation, summed over its files."""
    found: dict[str, list[Score]] = {}
    for score in scores:
        found.setdefault(score.direction, []).append(score)
    # Languages first, then translations, each in alphabetical order.
    names = sorted(found, key=lambda direction: ("→" in direction, direction))
    return {name: _errors_of(found[name]) for name in names}


def _errors_of(scores: Sequence[Score]) -> dict[str, Any]:
    words = sum((score.words for score in scores), Errors())
    return {
        "num_files": len(scores),
        "num_words": words.num_reference,
        "wer": finite(words.rate),
        "cer": finite(sum((score.characters for score in scores), Errors()).rate),
        "num_exact": sum(score.words.total == 0 for score in scores),
    }


def directions_table(directions: Mapping[str, Mapping[str, Any]]) -> Table:
    """A row for each language and direction."""
    table = Table("language")
    for title in ("files", "words", "word errors", "character errors", "without error"):
        table.add_column(title, justify="right")
    for name, errors in directions.items():
        table.add_row(
            Text(name),
            f"{errors['num_files']:,}",
            f"{errors['num_words']:,}",
            _percent(errors["wer"]),
            _percent(errors["cer"]),
            f"{errors['num_exact']:,}",
        )
    return table


def summary_table(summary: Mapping[str, Any], title: str) -> Table:
    """Two columns: what, and how much."""
    table = Table(
        title=Text(title), show_header=False, title_justify="left", min_width=len(title) + 4
    )
    table.add_column()
    table.add_column(justify="right")
    num_answered = summary["num_files"] - summary["num_failed"]
    rows = (
        ("files", f"{summary['num_files']:,}"),
        ("failed", f"{summary['num_failed']:,}"),
        ("words", f"{summary['num_words']:,}"),
        ("word error rate", _percent(summary["wer"])),
        ("substitutions", f"{summary['substitutions']:,}"),
        ("deletions", f"{summary['deletions']:,}"),
        ("insertions", f"{summary['insertions']:,}"),
        ("character error rate", _percent(summary["cer"])),
        ("files without error", f"{summary['num_exact']:,} of {num_answered:,}"),
        ("audio", f"{summary['audio_s']:,.1f} s"),
        ("wall time", f"{summary['wall_s']:,.2f} s"),
        ("audio seconds per second", f"{summary['audio_s_per_s']:,.1f}"),
        ("latency, median", _milliseconds(summary["latency_p50_s"])),
        ("latency, 95th percentile", _milliseconds(summary["latency_p95_s"])),
    )
    for name, value in rows:
        table.add_row(name, value)
    return table


def worst(scores: Sequence[Score], count: int) -> list[Score]:
    """The scores with the most word errors, those without any left out."""
    wrong = [score for score in scores if score.words.total]
    return sorted(wrong, key=lambda score: (-score.words.total, -score.words.rate))[:count]


def aligned(score: Score) -> str:
    """Reference above hypothesis, word over word; errors in capitals, a gap as asterisks."""
    lines = []
    above, below = "  said: ", "  heard:"
    for said, heard in align(score.reference.split(), score.hypothesis.split()):
        width = max(len(said), len(heard))
        if said != heard:
            said, heard = (word.upper() or "*" * width for word in (said, heard))
        if len(above) + 1 + width > _ALIGNED_WIDTH:
            lines += [above.rstrip(), below.rstrip()]
            above, below = "  said: ", "  heard:"
        above += f" {said:{width}}"
        below += f" {heard:{width}}"
    return "\n".join((*lines, above.rstrip(), below.rstrip()))


def quantile(values: Sequence[float], q: float) -> float | None:
    """Linear between the two nearest ranks, as numpy does by default; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    position = q * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def finite(rate: float) -> float | None:
    return round(rate, 6) if math.isfinite(rate) else None


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{rate:.2%}"


def _milliseconds(time_s: float | None) -> str:
    return "–" if time_s is None else f"{time_s * 1000:,.0f} ms"
