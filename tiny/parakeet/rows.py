"""What a recording may carry: utterances, sounds beside them, or sounds alone.

Servers cut recordings near speech, and what lies beside it comes along. A model that has heard
speech alone takes that for words.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from tiny.speech import augment, corpus
from tiny.speech.augment import Waveform
from tiny.speech.sounds import LEVEL_DBFS, draw_sound
from tiny.speech.voices import SAMPLE_RATE_HZ, Utterance, Word

NOBODY_EVERY = 11
"""One recording of so many says nothing."""

BESIDE_SHARE = 0.45
"""Of the recordings that say something, how many have sounds beside speech."""

_PAUSE_S = 0.45
"""A gap between words that is longer is taken for a pause between utterances."""

_KEPT_S = 0.1
"""Of such a pause, so much on either side has no sound: ends of words are soft."""

_UNDER_S = 0.12
"""How far a sound may run under the first word or the last."""


def draw_rows(num_rows: int, seed: int) -> list[corpus.Row]:
    """Draw transcripts, and behind them the rows that say nothing."""
    num_nobody = num_rows // NOBODY_EVERY
    return corpus.draw_rows(num_rows - num_nobody, seed) + [corpus.Row(())] * num_nobody


def render(row: corpus.Row, rng: random.Random) -> Utterance:
    """Say a row once, with or without sounds beside it; a row without words is sounds alone."""
    if not row.parts:
        return Utterance(draw_nobody(rng), (), "nobody")
    if rng.random() >= BESIDE_SHARE:
        return corpus.render(row, rng)
    utterance = corpus.lay_out(row, rng)
    # Digital silence between words, when there is noise beside them, is heard too rarely else.
    return add_sounds(utterance if rng.random() < 0.35 else augment.distort(utterance, rng), rng)


def draw_nobody(rng: random.Random) -> Waveform:
    """Return 0.6 to 12 s without speech: sounds with or without silence between, or silence."""
    num_samples = int(0.6 * 20 ** rng.random() * SAMPLE_RATE_HZ)
    waveform = np.zeros(num_samples, np.float32)
    if rng.random() < 0.08:
        return waveform
    at = int(rng.choice((0.0, rng.uniform(0, 0.6))) * SAMPLE_RATE_HZ)
    while at < num_samples:
        length = min(num_samples - at, int(rng.uniform(0.3, 12) * SAMPLE_RATE_HZ))
        sound = _edged(draw_sound(length, rng), rng) * 10 ** (-rng.uniform(0, 15) / 20)
        waveform[at : at + length] = sound
        at += length + int(rng.uniform(0.1, 1.5) * SAMPLE_RATE_HZ)
    if rng.random() < 0.5:
        # What distorts speech adds a room, noise and a line.
        return augment.distort(Utterance(waveform, (), "nobody"), rng).waveform
    return np.clip(augment.match_level(waveform, rng.uniform(-55, -14)), -1, 1)


def add_sounds(utterance: Utterance, rng: random.Random) -> Utterance:
    """Put sounds before, behind and between utterances; they may run under the words' edges."""
    before, behind = _draw_margin(rng), _draw_margin(rng)
    mixed = np.pad(utterance.waveform, (before, behind))
    shift_s = before / SAMPLE_RATE_HZ
    words = tuple(Word(w.text, w.start_s + shift_s, w.end_s + shift_s) for w in utterance.words)
    speech_dbfs = _level_dbfs(utterance.waveform)
    for first, last in _places(words, before, len(mixed) - behind, len(mixed), rng):
        sound = _edged(draw_sound(last - first, rng), rng)
        # As soft as a room, or louder than who speaks.
        above_db = rng.choice((rng.uniform(-45, -15), rng.uniform(-15, 12), rng.uniform(-8, 12)))
        mixed[first:last] += sound * 10 ** ((speech_dbfs + above_db - LEVEL_DBFS) / 20)
    return Utterance(_through_line(mixed, rng), words, utterance.speaker)


def _draw_margin(rng: random.Random) -> int:
    """Return the samples of audio that is added for a sound, often none."""
    return int(rng.choice((0.0, rng.uniform(0, 0.5), rng.uniform(0, 1.5))) * SAMPLE_RATE_HZ)


def _places(
    words: tuple[Word, ...], before: int, behind: int, num_samples: int, rng: random.Random
) -> Iterator[tuple[int, int]]:
    """Yield where sounds begin and end: from either end up to a place near the words, and
    between utterances.

    The audio was as long as from `before` to `behind` when it had no margins.
    """
    first = int((words[0].start_s + rng.uniform(-0.1, _UNDER_S)) * SAMPLE_RATE_HZ)
    last = int((words[-1].end_s + rng.uniform(-_UNDER_S, 0.1)) * SAMPLE_RATE_HZ)
    if before:
        yield 0, max(before, first) if rng.random() < 0.5 else before
    if behind < num_samples:
        yield min(behind, last) if rng.random() < 0.5 else behind, num_samples
    for word, following in pairwise(words):
        begin, end = word.end_s + _KEPT_S, following.start_s - _KEPT_S
        if end - begin > _PAUSE_S and rng.random() < 0.5:
            yield int(begin * SAMPLE_RATE_HZ), int(end * SAMPLE_RATE_HZ)


def _edged(sound: Waveform, rng: random.Random) -> Waveform:
    """Let a sound begin and end as it may: cut off, or faded in up to half of its length."""
    place = np.arange(len(sound))
    for at in (place, place[::-1]):
        fade = int(
            rng.choice((0.0, rng.uniform(0.002, 0.05), rng.uniform(0.05, 0.5))) * SAMPLE_RATE_HZ
        )
        fade = min(fade, len(sound) // 2)
        if fade:
            sound = sound * np.minimum(1, at / fade)
    return sound.astype(np.float32)


def _level_dbfs(waveform: Waveform) -> float:
    """Return the level of the louder half, which is where somebody speaks."""
    power = np.square(waveform)
    return float(10 * np.log10(power[power >= np.median(power)].mean() + 1e-12))


def _through_line(waveform: Waveform, rng: random.Random) -> Waveform:
    """Bring speech and sounds to a level, sometimes through a line that both came by."""
    waveform = augment.match_level(waveform, rng.uniform(-36, -18))
    line = rng.random()
    if line < 0.1:
        waveform = augment.limit_band(waveform, rng.uniform(50, 300), rng.uniform(3_000, 7_500))
    elif line < 0.2:
        waveform = augment.through_codec(waveform, rng.choice(("ulaw", "alaw", "mp3")))
    waveform = augment.match_level(waveform, rng.uniform(-46, -14))
    return np.clip(waveform, -1, 1)
