"""A seed -> the training rows: what each recording says, and in which language.

A row is one to three utterances of one speaker's language with pauses between, or no
speech at all.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tiny.canary.speech import phrases, voices
from tiny.canary.speech.phrases import Phrase
from tiny.speech import augment
from tiny.speech.recordings import TRAINING_SPEAKERS
from tiny.speech.voices import SAMPLE_RATE_HZ, Utterance

LANGUAGE_SHARES = {"en": 0.32, "de": 0.17, "fr": 0.17, "es": 0.17, "ru": 0.17}
KIND_SHARES = {"phrase": 0.60, "digits": 0.20, "words": 0.20}
ENGLISH_KIND_SHARES = {"phrase": 0.40, "digits": 0.44, "words": 0.16}
"""English has the only recordings of real people, and those are digits."""

REAL_SHARE = 0.8
"""The share of English digit strings that real people say; the others are synthetic."""

SILENCE_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Part:
    kind: str
    phrase: Phrase


@dataclass(frozen=True, slots=True)
class Row:
    """What one training recording says."""

    language: str
    parts: tuple[Part, ...]

    @property
    def translatable(self) -> bool:
        return bool(self.parts) and all(part.kind != "words" for part in self.parts)

    def text(self, language: str) -> str:
        """Return what is said, in any language it can be said in, with punctuation."""
        return " ".join(part.phrase.sentences[language] for part in self.parts)

    def spoken_words(self) -> list[str]:
        """Return the words as they are heard, without punctuation and capitals."""
        return phrases.plain(self.text(self.language)).split()


def draw_rows(num_rows: int, seed: int) -> list[Row]:
    """Draw the transcripts of the training set: no phrase of them is held out."""
    rng = random.Random(f"canary rows {seed}")
    return [_draw_row(rng) for _ in range(num_rows)]


def _draw_row(rng: random.Random) -> Row:
    language = rng.choices(tuple(LANGUAGE_SHARES), tuple(LANGUAGE_SHARES.values()))[0]
    if rng.random() < SILENCE_SHARE:
        return Row(language, ())
    shares = ENGLISH_KIND_SHARES if language == "en" else KIND_SHARES
    num_parts = rng.choices((1, 2, 3), (0.75, 0.16, 0.09))[0]
    kinds = rng.choices(tuple(shares), tuple(shares.values()), k=num_parts)
    return Row(language, tuple(_draw_part(kind, language, rng) for kind in kinds))


def _draw_part(kind: str, language: str, rng: random.Random) -> Part:
    if kind == "words":
        return Part(kind, phrases.draw_words(rng, language))
    draw = phrases.draw_digits if kind == "digits" else phrases.draw_phrase
    return Part(kind, draw(rng))


def render(row: Row, rng: random.Random) -> Utterance:
    """Say a row once: in drawn voices, with drawn pauses, through a drawn line."""
    if not row.parts:
        num_samples = int(rng.uniform(0.5, 4.0) * SAMPLE_RATE_HZ)
        silence = Utterance(np.zeros(num_samples, np.float32), (), "nobody")
        return augment.distort(silence, rng)
    spoken = [_say(part, row.language, rng) for part in row.parts]
    pauses_s = [
        rng.uniform(0.0, 0.5),
        *(rng.uniform(0.2, 2.0) for _ in spoken[1:]),
        # The last word must end before the last frame does.
        rng.uniform(0.1, 0.6),
    ]
    return augment.distort(augment.join(spoken, pauses_s), rng)


def manifest(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Return what was said in training: each phrase once, with how often in each language."""
    texts: dict[str, dict[str, str]] = {}
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        for part in row.parts:
            sentences = dict(part.phrase.sentences)
            key = next(iter(sentences.values()))
            texts[key] = sentences
            counts.setdefault(key, Counter())[row.language] += 1
    return [{"texts": texts[key], "spoken": dict(counts[key])} for key in sorted(texts)]


def _say(part: Part, language: str, rng: random.Random) -> Utterance:
    real = part.kind == "digits" and language == "en" and rng.random() < REAL_SHARE
    if real:
        utterance = voices.say_recorded(part.phrase, rng.choice(TRAINING_SPEAKERS), rng, vary=True)
    else:
        utterance = voices.say_synthetic(
            part.phrase, language, rng, word_by_word=rng.random() < 0.3
        )
    if real or rng.random() < 0.3:
        utterance = augment.change_speed(utterance, rng.uniform(0.82, 1.22))
    waveform = augment.match_level(utterance.waveform, -26 + rng.uniform(-4, 4))
    return Utterance(waveform, utterance.words, utterance.speaker)
