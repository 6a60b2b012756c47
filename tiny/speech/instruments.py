"""A generator in, an instrument out: a function from a pitch and a length to a note."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from tiny.speech.augment import Waveform
from tiny.speech.voices import SAMPLE_RATE_HZ

Instrument: TypeAlias = Callable[[float, int], Waveform]
"""Pitch in Hz, samples until the note is let go -> the note, which rings on a little."""

_TABLE = 2048
"""Samples of one period."""


def draw_instrument(rng: random.Random) -> Instrument:
    """Return a plucked, a held or a frequency-modulated instrument of its own timbre."""
    draw = rng.choices((_plucked, _held, _modulated), (0.45, 0.35, 0.2))[0]
    return draw(rng)


def _plucked(rng: random.Random) -> Instrument:
    """Strings, pianos, bells: bright at once, then duller and softer."""
    bright, dull = _period(rng, slope=rng.uniform(0.2, 1.2)), _period(rng, slope=2.0)
    decay_per_s, dulling_per_s = 0.4 * 25 ** rng.random(), 2 * 15 ** rng.random()
    release_s = rng.uniform(0.01, 0.4)

    def play(pitch_hz: float, num_samples: int) -> Waveform:
        time_s = _time_s(num_samples, release_s)
        at = (time_s * pitch_hz * _TABLE).astype(int) % _TABLE
        brightness = np.exp(-dulling_per_s * time_s)
        note = bright[at] * brightness + dull[at] * (1 - brightness)
        return note * np.exp(-decay_per_s * time_s) * _let_go(time_s, num_samples, release_s)

    return play


def _held(rng: random.Random) -> Instrument:
    """Organs, strings, winds: as loud as long as they last, with or without vibrato."""
    period = _period(rng, slope=rng.uniform(0.3, 2.0))
    attack_s, release_s = 0.003 * 100 ** rng.random(), rng.uniform(0.01, 0.3)
    vibrato_hz, depth = rng.uniform(3, 8), rng.choice((0.0, rng.uniform(0.001, 0.012)))

    def play(pitch_hz: float, num_samples: int) -> Waveform:
        time_s = _time_s(num_samples, release_s)
        sway = depth * np.sin(2 * np.pi * vibrato_hz * time_s) / (2 * np.pi * vibrato_hz)
        note = period[((time_s + sway) * pitch_hz * _TABLE).astype(int) % _TABLE]
        swelling = np.minimum(1.0, time_s / attack_s)
        return note * swelling * _let_go(time_s, num_samples, release_s)

    return play


def _modulated(rng: random.Random) -> Instrument:
    """Electric pianos, bells, brass: a sine whose phase another sine bends."""
    ratio, index = rng.choice((0.5, 1, 1, 2, 3, 1.41, 3.5, 7)), rng.uniform(0.3, 6)
    fading_per_s, decay_per_s = rng.uniform(0, 12), rng.choice((0.0, rng.uniform(0.5, 8)))
    attack_s, release_s = rng.uniform(0.002, 0.08), rng.uniform(0.01, 0.3)

    def play(pitch_hz: float, num_samples: int) -> Waveform:
        time_s = _time_s(num_samples, release_s)
        phase = 2 * np.pi * pitch_hz * time_s
        bent = phase + index * np.exp(-fading_per_s * time_s) * np.sin(ratio * phase)
        loudness = np.exp(-decay_per_s * time_s) * np.minimum(1.0, time_s / attack_s)
        return np.sin(bent) * loudness * _let_go(time_s, num_samples, release_s)

    return play


def _period(rng: random.Random, *, slope: float) -> Waveform:
    """Return one period of a random timbre, whose harmonics fall by their number to `slope`."""
    phase = 2 * np.pi * np.arange(_TABLE) / _TABLE
    period = np.zeros(_TABLE)
    gap = rng.choice((1, 1, 1, 2))  # some have odd harmonics only
    for harmonic in range(1, rng.randint(2, 16), gap):
        loudness = rng.uniform(0.2, 1.0) / harmonic**slope
        period += loudness * np.sin(harmonic * phase + rng.uniform(0, 2 * np.pi))
    return (period / (period.std() + 1e-9)).astype(np.float32)


def _time_s(num_samples: int, release_s: float) -> Waveform:
    length = num_samples + int(release_s * SAMPLE_RATE_HZ)
    return (np.arange(length) / SAMPLE_RATE_HZ).astype(np.float32)


def _let_go(time_s: Waveform, num_samples: int, release_s: float) -> Waveform:
    """Return 1 while the note is held, then down to 0."""
    since_s = time_s - np.float32(num_samples / SAMPLE_RATE_HZ)
    return np.clip(1 - since_s / np.float32(release_s), 0, 1)
