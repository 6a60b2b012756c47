"""A generator in, what is not speech out: noise, knocks, clicks, hums, beeps, drums, music.

Every sound is mono float32 at 16 kHz, has exactly the length that was asked for, and is as loud
as speech usually is; whoever mixes it brings it to a level.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

import numpy as np
from scipy import signal

from tiny.speech.augment import Waveform, draw_noise, limit_band, match_level
from tiny.speech.instruments import draw_instrument
from tiny.speech.voices import SAMPLE_RATE_HZ

LEVEL_DBFS = -26.0

_SCALES = (
    (0, 2, 4, 5, 7, 9, 11),
    (0, 2, 3, 5, 7, 8, 10),
    (0, 2, 3, 5, 7, 8, 11),
    (0, 2, 4, 7, 9),
    (0, 3, 5, 6, 7, 10),
    (0, 2, 4, 6, 8, 10),
    (0, 1, 3, 4, 6, 7, 9, 10),
    tuple(range(12)),
)
"""Semitones: major, minor, harmonic minor, pentatonic, blues, whole tones, octatonic, all."""

_DTMF_HZ = ((697, 770, 852, 941), (1209, 1336, 1477, 1633))


def draw_sound(num_samples: int, rng: random.Random) -> Waveform:
    """Return one or two sounds at once, or one behind the other, each of a kind of its own."""
    names = rng.choices(tuple(SOUNDS), WEIGHTS, k=2)
    sound = draw_one(names[0], num_samples, rng)
    choice = rng.random()
    if choice < 0.2:
        softer = 10 ** (-rng.uniform(0, 20) / 20)
        sound = sound + softer * draw_one(names[1], num_samples, rng)
    elif choice < 0.3 and num_samples > 1:
        at = rng.randrange(1, num_samples)
        sound[at:] = draw_one(names[1], num_samples - at, rng)
    return match_level(sound.astype(np.float32), LEVEL_DBFS)


def draw_one(name: str, num_samples: int, rng: random.Random) -> Waveform:
    """Return a sound of the kind that is asked for, one of `SOUNDS`; of no length it is empty."""
    if not num_samples:
        return np.zeros(0, np.float32)
    return match_level(SOUNDS[name](num_samples, rng).astype(np.float32), LEVEL_DBFS)


def noise(num_samples: int, rng: random.Random) -> Waveform:
    """Of a random colour and band, steady or swelling as traffic and wind do."""
    out = draw_noise(num_samples, rng)
    if rng.random() < 0.4:
        low_hz = 30 * 100 ** rng.random()
        out = limit_band(out, low_hz, low_hz * rng.uniform(1.5, 8.0))
    if rng.random() < 0.4:
        out = out * _swell(num_samples, rng)
    return out


def knocks(num_samples: int, rng: random.Random) -> Waveform:
    """Bangs, steps, a door, a cough's bulk: noise that comes at once and dies away, or stops."""
    out = np.zeros(num_samples, np.float32)
    for _ in range(rng.randint(1, 1 + math.ceil(2 * num_samples / SAMPLE_RATE_HZ))):
        length = int(0.01 * 80 ** rng.random() * SAMPLE_RATE_HZ)
        bang = draw_noise(length, rng)
        if rng.random() < 0.5:
            low_hz = rng.uniform(40, 1_500)
            bang = limit_band(bang, low_hz, low_hz * rng.uniform(2, 6))
        decay = rng.choice((0.0, rng.uniform(2, 10)))
        rise = rng.choice((1.0, rng.uniform(5, 60)))
        place = np.linspace(0, 1, length)
        bang = bang * np.exp(-decay * place) * np.minimum(1, rise * place)
        _mix(out, match_level(bang.astype(np.float32), -20 - rng.uniform(0, 12)), rng)
    return out


def clicks(num_samples: int, rng: random.Random) -> Waveform:
    """Keys, cutlery, clocks: short ringing strokes, evenly or as they come."""
    out = np.zeros(num_samples, np.float32)
    pace_s, is_even = 1 / rng.uniform(1.5, 14), rng.random() < 0.4
    ring_hz, sharpness = rng.uniform(300, 6_000), rng.uniform(30, 400)
    at_s = rng.uniform(0, pace_s)
    while at_s * SAMPLE_RATE_HZ < num_samples:
        time_s = np.arange(int(0.1 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        tone = np.sin(2 * np.pi * ring_hz * rng.uniform(0.8, 1.25) * time_s)
        stroke = (tone + draw_noise(len(time_s), rng)) * np.exp(-sharpness * time_s)
        _add(out, stroke * rng.uniform(0.3, 1.0), int(at_s * SAMPLE_RATE_HZ))
        at_s += pace_s * (1.0 if is_even else rng.uniform(0.2, 2.5))
    return out


def hum(num_samples: int, rng: random.Random) -> Waveform:
    """A mains hum, a fan, an engine: a low tone with many harmonics, that may wander."""
    pitch_hz = rng.choice((50.0, 60.0, rng.uniform(30, 400)))
    bend = 1 + rng.choice((0.0, 0.3)) * (_swell(num_samples, rng) - 0.5)
    phase = 2 * np.pi * np.cumsum(pitch_hz * bend) / SAMPLE_RATE_HZ
    slope = rng.uniform(0.3, 2)
    out = np.zeros(num_samples)
    for harmonic in range(1, 12):
        out += np.sin(harmonic * phase) * rng.random() / harmonic**slope
    rms = float(out.std()) + 1e-9
    return out / rms + draw_noise(num_samples, rng) * rng.choice((0.0, rng.uniform(0, 0.5)))


def beeps(num_samples: int, rng: random.Random) -> Waveform:
    """Telephones, alarms, sirens: one tone, two at once or one that glides, on and off."""
    time_s = np.arange(num_samples) / SAMPLE_RATE_HZ
    kind = rng.choice(("tone", "keys", "siren"))
    on_s, off_s = rng.uniform(0.04, 1.0), rng.choice((0.0, rng.uniform(0.03, 1.0)))
    turn = (time_s + rng.random()) / (on_s + off_s)
    if kind == "keys":
        pitches = np.array([[rng.choice(row) for row in _DTMF_HZ] for _ in range(40)])
        pitch_hz = pitches[turn.astype(int) % 40].T
    else:
        base_hz = 200 * 15 ** rng.random()
        glide = rng.uniform(0.1, 1.0) if kind == "siren" else 0.0
        shape = signal.sawtooth(2 * np.pi * turn, width=rng.choice((0.5, 1.0)))
        pitch_hz = np.stack([base_hz * 2 ** (glide * shape)])
    tone = np.sin(2 * np.pi * np.cumsum(pitch_hz, axis=1) / SAMPLE_RATE_HZ).sum(0)
    if rng.random() < 0.3:
        tone = np.tanh(5 * tone)
    return tone * (turn % 1 < on_s / (on_s + off_s))


def drums(num_samples: int, rng: random.Random) -> Waveform:
    """A pattern of sixteen strokes at a random tempo, on two to four drums, again and again."""
    step = int(SAMPLE_RATE_HZ * 15 / rng.uniform(60, 190))
    kit = [_drum(rng) for _ in range(rng.randint(2, 4))]
    pattern = [[rng.random() < rng.uniform(0.05, 0.5) for _ in kit] for _ in range(16)]
    out = np.zeros(num_samples, np.float32)
    shift = rng.randrange(16)
    for place, start in enumerate(range(0, num_samples, step)):
        for drum, is_struck in zip(kit, pattern[(place + shift) % 16], strict=True):
            if is_struck:
                _add(out, drum * rng.uniform(0.5, 1.0), start)
    return out


def music(num_samples: int, rng: random.Random) -> Waveform:
    """Up to three parts of random instruments in one scale and tempo, sometimes with drums."""
    scale, root_hz = rng.choice(_SCALES), 55 * 2 ** rng.uniform(0, 2)
    beat = int(SAMPLE_RATE_HZ * 60 / rng.uniform(50, 200))
    out = np.zeros(num_samples, np.float32)
    for _ in range(rng.randint(1, 3)):
        play = draw_instrument(rng)
        loudness = rng.uniform(0.3, 1.0)
        for start, length, pitches in _tune(num_samples, beat, scale, rng):
            for degree in pitches:
                pitch_hz = root_hz * 2 ** (degree / 12)
                if pitch_hz < 4_000:
                    _add(out, play(pitch_hz, length) * loudness, start)
    if rng.random() < 0.25:
        softer = 10 ** (-rng.uniform(0, 15) / 20)
        out = match_level(out, -26) + softer * match_level(drums(num_samples, rng), -26)
    if rng.random() < 0.2:
        out = np.tanh(out * rng.uniform(1, 4))
    return out


SOUNDS: dict[str, Callable[[int, random.Random], Waveform]] = {
    "noise": noise,
    "knocks": knocks,
    "clicks": clicks,
    "hum": hum,
    "beeps": beeps,
    "drums": drums,
    "music": music,
}
"""What there is beside speech."""

WEIGHTS = (0.28, 0.18, 0.05, 0.05, 0.08, 0.08, 0.28)
"""How often each is drawn."""


def _tune(
    num_samples: int, beat: int, scale: tuple[int, ...], rng: random.Random
) -> Iterator[tuple[int, int, list[int]]]:
    """Yield when notes begin, their length, and their pitches in semitones above the root.

    A walk on the scale from an octave of its own, alone or in chords of stacked steps.
    """
    at = -rng.randrange(beat)
    place = len(scale) * rng.randint(0, 3)
    stack = rng.choice((1, 1, 2, 3, 4))
    skip = rng.choice((2, 2, 3, 1))
    split, rest = rng.choice((0.5, 1, 1, 2, 2, 3, 4)), rng.choice((0.0, 0.1, 0.4))
    hold, leap = rng.choice((0.3, 0.9, 1.0, 2.5)), rng.randint(1, 5)
    while at < num_samples:
        step = max(1, int(beat / split * rng.choice((1, 1, 1, 2))))
        if rng.random() >= rest:
            degrees = [place + skip * index for index in range(stack)]
            pitches = [12 * (d // len(scale)) + scale[d % len(scale)] for d in degrees]
            yield at, int(step * hold) + 1, pitches
        place = min(max(0, place + rng.randint(-leap, leap)), 4 * len(scale))
        at += step


def _drum(rng: random.Random) -> Waveform:
    """Return one stroke: a falling tone, noise, or both."""
    time_s = np.arange(int(rng.uniform(0.05, 0.4) * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    fall_hz = rng.uniform(40, 250) * (1 + rng.uniform(0, 4) * np.exp(-time_s * rng.uniform(15, 60)))
    tone = np.sin(2 * np.pi * np.cumsum(fall_hz) / SAMPLE_RATE_HZ)
    hiss = limit_band(draw_noise(len(time_s), rng), rng.uniform(200, 5_000), 7_500)
    hiss = match_level(hiss, -6)
    share = rng.choice((0.0, 1.0, rng.random()))
    mixed = (1 - share) * tone + share * hiss
    return (mixed * np.exp(-time_s * rng.uniform(8, 60))).astype(np.float32)


def _swell(num_samples: int, rng: random.Random) -> Waveform:
    """Return a smooth random curve between 0 and 1."""
    num_anchors = 2 + int(num_samples / SAMPLE_RATE_HZ * rng.uniform(0.5, 6))
    anchors = [rng.random() for _ in range(num_anchors)]
    place = np.linspace(0, num_anchors - 1, num_samples)
    return np.interp(place, np.arange(num_anchors), anchors).astype(np.float32)


def _mix(out: Waveform, sound: Waveform, rng: random.Random) -> None:
    """Add a sound at a random place; it may begin before and end after what is there."""
    _add(out, sound, rng.randint(-len(sound) // 2, len(out)))


def _add(out: Waveform, sound: Waveform, start: int) -> None:
    """Add what of a sound falls into `out` when it begins at `start`, which may be negative."""
    sound, start = sound[max(0, -start) :], max(0, start)
    here = out[start : start + len(sound)]
    here += sound[: len(here)].astype(np.float32)
