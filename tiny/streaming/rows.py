"""What a stream may carry: utterances with pauses of any length, or nobody at all."""

from __future__ import annotations

import random

import numpy as np

from tiny.speech import augment, corpus
from tiny.speech.augment import Waveform
from tiny.speech.voices import SAMPLE_RATE_HZ, Utterance

NUM_PARTS = {0: 0.07, 1: 0.52, 2: 0.20, 3: 0.13, 4: 0.08}
"""How many utterances a recording holds, and how often; of four it lasts 16 s or so."""


def draw_rows(num_rows: int, seed: int) -> list[corpus.Row]:
    return corpus.draw_rows(num_rows, seed, num_parts=NUM_PARTS)


def render(row: corpus.Row, rng: random.Random) -> Utterance:
    """Say a row once, in a place of its own; a row without words is noise or silence."""
    if not row.parts:
        return Utterance(draw_nobody(rng), (), "nobody")
    spoken = [corpus.say(part, rng) for part in row.parts]
    pauses_s = [
        # Who presses a button to talk begins at once.
        rng.choice((rng.uniform(0.0, 0.1), rng.uniform(0.1, 1.5))),
        *(rng.uniform(0.2, 3.0) for _ in spoken[1:]),
        rng.uniform(0.15, 1.2),
    ]
    return augment.distort(augment.join(spoken, pauses_s), rng)


def draw_nobody(rng: random.Random) -> Waveform:
    """Return a recording of 1 to 8 s without speech: silence, or noise with beeps and knocks."""
    waveform = np.zeros(int(rng.uniform(1.0, 8.0) * SAMPLE_RATE_HZ), np.float32)
    if rng.random() < 0.15:
        return waveform
    if rng.random() < 0.6:
        for _ in range(rng.randint(1, 6)):
            sound = _draw_sound(rng)
            at = rng.randrange(len(waveform))
            here = waveform[at : at + len(sound)]
            here += sound[: len(here)]
    # What distorts speech adds the noise here, and brings it to any level.
    return augment.distort(Utterance(waveform, (), "nobody"), rng).waveform


def _draw_sound(rng: random.Random) -> Waveform:
    """Return a beep or a burst of noise, of 10 ms to 1 s, that swells and fades."""
    num_samples = int(0.01 * 100 ** rng.random() * SAMPLE_RATE_HZ)
    if rng.random() < 0.4:
        time_s = np.arange(num_samples) / SAMPLE_RATE_HZ
        sound = np.sin(2 * np.pi * rng.uniform(150, 3_500) * time_s)
    else:
        sound = augment.draw_noise(num_samples, rng)
    rise = rng.uniform(0.02, 0.98)
    envelope = np.interp(np.linspace(0, 1, num_samples), [0, rise, 1], [0, 1, 0])
    return augment.match_level((sound * envelope).astype(np.float32), rng.uniform(-45, -14))
