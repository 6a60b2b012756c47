"""The languages of canary-tiny: sentences that are true translations of each other.

A phrase is one sentence in each language. Whether it is kept for evaluation is decided by
a hash of its English text alone, so that the same sentence in any language, and as source
or target of a translation, is on the same side.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

LANGUAGES = ("en", "de", "fr", "es", "ru")
PIVOT = "en"
"""Translations go from and to this language."""

DIRECTIONS = tuple(pair for other in LANGUAGES[1:] for pair in ((PIVOT, other), (other, PIVOT)))
HELD_OUT_SHARE = 7
"""One phrase in so many is kept for evaluation."""

MAX_DIGITS = 8
_MARKS = re.compile(r"[.,?!¿¡]")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Sentences by language, with punctuation and capitals; not all need have one."""

    sentences: Mapping[str, str]

    @property
    def key(self) -> str:
        """What decides its side: the English text, or the only one there is."""
        return plain(self.sentences.get(PIVOT) or next(iter(self.sentences.values())))


def plain(text: str) -> str:
    """Return what is left without punctuation and capitals, as `pnc: no` asks for."""
    return " ".join(_MARKS.sub(" ", text).lower().split())


def is_held_out(phrase: Phrase) -> bool:
    """Tell whether a phrase is kept for evaluation: chosen by its hash, in words that others say.

    What nobody says in training, nobody could understand or translate.
    """
    return _is_chosen(phrase) and all(
        set(plain(text).split()) <= _words_of_training()[language]
        for language, text in phrase.sentences.items()
    )


def _is_chosen(phrase: Phrase) -> bool:
    digest = hashlib.sha256(phrase.key.encode()).digest()
    return int.from_bytes(digest[:4]) % HELD_OUT_SHARE == 0


@functools.cache
def _words_of_training() -> Mapping[str, frozenset[str]]:
    said = [phrase for phrase in phrases() if not _is_chosen(phrase)]
    return {
        language: frozenset(digits(language)).union(
            word for phrase in said for word in plain(phrase.sentences[language]).split()
        )
        for language in LANGUAGES
    }


@functools.cache
def phrases() -> tuple[Phrase, ...]:
    """Return every sentence of the grammar, sorted by its English text."""
    found = {phrase.key: phrase for by_kind in phrases_by_template() for phrase in by_kind}
    return tuple(found[key] for key in sorted(found))


@functools.cache
def phrases_by_template() -> tuple[tuple[Phrase, ...], ...]:
    grammar = _grammar()
    return tuple(tuple(_expand(template, grammar["slots"])) for template in grammar["templates"])


@functools.cache
def words(language: str) -> tuple[str, ...]:
    """Return every word as it stands inside a sentence, sorted; no single letters."""
    place = LANGUAGES.index(language)
    grammar = _grammar()
    texts = [template[place] for template in grammar["templates"]]
    texts += [row[place] for rows in grammar["slots"].values() for row in rows]
    found = {w for text in texts for w in _MARKS.sub(" ", text).split() if "{" not in w}
    return tuple(sorted(found | set(digits(language))))


@functools.cache
def digits(language: str) -> tuple[str, ...]:
    return tuple(_grammar()["digits"][LANGUAGES.index(language)])


def draw_phrase(rng: random.Random, *, held_out: bool = False) -> Phrase:
    """Draw a sentence; rare templates come as often as common ones half of the time."""
    while True:
        among = phrases() if rng.random() < 0.5 else rng.choice(phrases_by_template())
        phrase = rng.choice(among)
        if is_held_out(phrase) == held_out:
            return phrase


def draw_digits(rng: random.Random, *, held_out: bool = False) -> Phrase:
    """Draw a string of 1 to 8 digits, short and long ones alike."""
    while True:
        numbers = rng.choices(range(10), k=rng.randint(1, MAX_DIGITS))
        phrase = Phrase(
            {
                language: sentence(language, " ".join(digits(language)[n] for n in numbers) + ".")
                for language in LANGUAGES
            }
        )
        if is_held_out(phrase) == held_out:
            return phrase


def draw_words(rng: random.Random, language: str, *, held_out: bool = False) -> Phrase:
    """Draw words that follow no grammar; nobody could translate them."""
    while True:
        # A single letter is spelt when it stands alone.
        drawn = [w for w in rng.choices(words(language), k=rng.randint(2, 7)) if len(w) > 1]
        if drawn:
            phrase = Phrase({language: sentence(language, " ".join(drawn) + ".")})
            if is_held_out(phrase) == held_out:
                return phrase


def sentence(language: str, text: str) -> str:
    """Give a text the capital and the opening mark of a sentence."""
    capital = text[0].upper() + text[1:]
    return f"¿{capital}" if language == "es" and text.endswith("?") else capital


def _expand(template: Sequence[str], slots: Mapping[str, Any]) -> Iterator[Phrase]:
    names = re.findall(r"\{(\w+)\}", template[0])
    for rows in itertools.product(*(slots[name] for name in names)):
        if len({row[0] for row in rows}) < len(rows):
            continue  # "milk and milk"
        yield Phrase(
            {
                language: sentence(
                    language,
                    template[place].format(
                        **{name: row[place] for name, row in zip(names, rows, strict=True)}
                    ),
                )
                for place, language in enumerate(LANGUAGES)
            }
        )


@functools.cache
def _grammar() -> dict[str, Any]:
    text = Path(__file__).with_name("phrases.yaml").read_text()
    return dict(yaml.safe_load(text))
