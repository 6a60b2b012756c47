"""A seed -> the training transcripts -> batches of speech that is new in every epoch.

What is said is drawn once, so that it can be listed beside the weights. How it is said
(voice, room, line, level, pauses) is drawn again each time it is said: the corpus has no
files, and no recording is heard twice.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiny.speech import augment, grammar
from tiny.speech.recordings import TRAINING_SPEAKERS, say_digits
from tiny.speech.voices import SAMPLE_RATE_HZ, Utterance, draw_voice, speak, speak_word_by_word

KINDS = {"digits": 0.38, "command": 0.34, "words": 0.28}
"""What is said, and how often."""

NUM_PARTS = {1: 0.72, 2: 0.17, 3: 0.11}
"""How many utterances a recording holds, and how often."""

REAL_SHARE = 0.75
"""The share of digit strings that real people say; the others are synthetic."""

_DRAW = {
    "digits": grammar.draw_digits,
    "command": grammar.draw_command,
    "words": grammar.draw_shuffled_words,
}


@dataclass(frozen=True, slots=True)
class Part:
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """What one training recording says: utterances with pauses between, or nothing."""

    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        return " ".join(part.text for part in self.parts)


@dataclass(frozen=True, slots=True)
class Batch:
    """Recordings of like length, padded with zeros to the longest."""

    waveforms: NDArray[np.float32]
    num_samples: NDArray[np.int64]
    utterances: tuple[Utterance, ...]


def draw_rows(num_rows: int, seed: int, *, num_parts: Mapping[int, float] = NUM_PARTS) -> list[Row]:
    """Draw the transcripts of the training set: none that is held out, joined or single."""
    rng = random.Random(f"rows {seed}")
    rows: list[Row] = []
    while len(rows) < num_rows:
        count = rng.choices(tuple(num_parts), tuple(num_parts.values()))[0]
        kinds = rng.choices(tuple(KINDS), tuple(KINDS.values()), k=count)
        row = Row(tuple(Part(kind, _DRAW[kind](rng)) for kind in kinds))
        if not row.parts or not grammar.is_held_out(row.text):
            rows.append(row)
    return rows


def render(row: Row, rng: random.Random) -> Utterance:
    """Say a row once: in drawn voices, with drawn pauses, through a drawn line."""
    return augment.distort(lay_out(row, rng), rng)


def lay_out(row: Row, rng: random.Random) -> Utterance:
    """Say a row once: in drawn voices, with drawn pauses of digital silence."""
    spoken = [say(part, rng) for part in row.parts]
    pauses_s = [
        rng.uniform(0.0, 0.6),
        *(rng.uniform(0.2, 2.0) for _ in spoken[1:]),
        # The last word must end before the last frame does.
        rng.uniform(0.1, 0.8),
    ]
    return augment.join(spoken, pauses_s)


def batches(
    rows: Sequence[Row],
    epoch: int,
    seed: int,
    *,
    batch_audio_s: float,
    render_row: Callable[[Row, random.Random], Utterance] = render,
    shuffle_rows: int = 384,
) -> Iterator[Batch]:
    """Yield one epoch in batches of at most `batch_audio_s` padded seconds.

    Sorting by length within `shuffle_rows` keeps padding low and batches mixed.
    """
    rng = random.Random(f"epoch {epoch} {seed}")
    order = rng.sample(range(len(rows)), len(rows))
    for start in range(0, len(order), shuffle_rows):
        spoken = [render_row(rows[i], rng) for i in order[start : start + shuffle_rows]]
        groups = list(_group_by_length(spoken, int(batch_audio_s * SAMPLE_RATE_HZ)))
        rng.shuffle(groups)
        yield from map(_pad, groups)


def say_synthetic(
    text: str, rng: random.Random, *, held_out: bool = False, word_by_word: bool = False
) -> Utterance:
    """Say any text in a drawn synthetic voice."""
    voice = draw_voice(rng, held_out=held_out)
    return speak_word_by_word(text, voice, rng) if word_by_word else speak(text, voice)


def manifest(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Return what was said in training, each transcript once, with how often."""
    counts = Counter(tuple(part.text for part in row.parts) for row in rows)
    return [{"parts": list(parts), "count": count} for parts, count in sorted(counts.items())]


def say(part: Part, rng: random.Random) -> Utterance:
    """Say a part alone, near the usual level, in a drawn voice."""
    real = part.kind == "digits" and rng.random() < REAL_SHARE
    if real:
        max_gap_s = rng.choice((0.08, 0.2, 0.35))
        speaker = rng.choice(TRAINING_SPEAKERS)
        utterance = say_digits(part.text, speaker, rng, vary=True, max_gap_s=max_gap_s)
    else:
        utterance = say_synthetic(part.text, rng, word_by_word=rng.random() < 0.35)
    if real or rng.random() < 0.3:
        utterance = augment.change_speed(utterance, rng.uniform(0.82, 1.22))
    level_dbfs = -26 + rng.uniform(-4, 4)
    waveform = augment.match_level(utterance.waveform, level_dbfs)
    return Utterance(waveform, utterance.words, utterance.speaker)


def _group_by_length(spoken: list[Utterance], max_samples: int) -> Iterator[list[Utterance]]:
    group: list[Utterance] = []
    for utterance in sorted(spoken, key=lambda u: len(u.waveform)):
        if group and len(utterance.waveform) * (len(group) + 1) > max_samples:
            yield group
            group = []
        group.append(utterance)
    if group:
        yield group


def _pad(group: list[Utterance]) -> Batch:
    longest = max(len(u.waveform) for u in group)
    waveforms = np.stack([augment.fit_length(u.waveform, longest) for u in group])
    lengths = np.array([len(u.waveform) for u in group], np.int64)
    return Batch(waveforms, lengths, tuple(group))
