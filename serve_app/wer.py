"""A reference and a hypothesis in, their errors out, counted on a best alignment.

Where several alignments have as few errors, which of them is taken is kaldialign's choice; the sum
of the errors is the same in all.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import kaldialign  # type: ignore[import-untyped]  # ships no stubs

_APOSTROPHES = str.maketrans(dict.fromkeys("\u2019\u02bc\u2018`", "'"))
_GAP = ""
"""Stands where a word has no partner; no word is empty."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors among words, or among characters."""

    num_reference: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def total(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors ÷ length of the reference; above 1 is possible, infinite for words in silence."""
        if self.num_reference == 0:
            return float("inf") if self.total else 0.0
        return self.total / self.num_reference

    def __add__(self, other: Self) -> "Errors":
        return Errors(
            self.num_reference + other.num_reference,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of words; the empty string stands for a deleted or an inserted one."""
    return [
        (str(said), str(heard)) for said, heard in kaldialign.align(reference, hypothesis, _GAP)
    ]


def count_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> Errors:
    """The errors of `hypothesis`: lists of words give those of words, strings of characters."""
    counts = kaldialign.edit_distance(list(reference), list(hypothesis))
    return Errors(len(reference), int(counts["sub"]), int(counts["del"]), int(counts["ins"]))


def normalise(text: str) -> str:
    """Lower case, without punctuation, one space between words; what is left is what was said.

    Dashes and slashes part words, other punctuation vanishes, apostrophes inside a word stay.
    Numbers and abbreviations are left as they are written.
    """
    folded = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).lower()
    kept = "".join(_kept(folded))
    words = (word.strip("'") for word in kept.split())
    return " ".join(word for word in words if word)


def _kept(text: str) -> Iterator[str]:
    for character in text:
        category = unicodedata.category(character)
        if character == "'" or not category.startswith("P"):
            yield character
        elif category == "Pd" or character in "/\\":
            yield " "
