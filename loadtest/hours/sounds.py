"""A generator in, what is heard between utterances out: nothing, a quiet room, a bang, music.

All sounds are mono float32 at 16 kHz, of exactly the length that was asked for.
"""

import math
import random
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import numpy as np

from tiny.speech.augment import Waveform, draw_noise, match_level
from tiny.speech.voices import SAMPLE_RATE_HZ

Sound: TypeAlias = Literal["silence", "room noise", "noise burst", "music"]

_FADE_S = 0.02
_A_HZ = 220.0
_PROGRESSION = ((0, 4, 7), (7, 11, 14), (9, 12, 16), (5, 9, 12))
"""I V vi IV, in semitones above the root."""
_NUM_HARMONICS = 6


def silence(num_samples: int, rng: random.Random) -> Waveform:
    return np.zeros(num_samples, np.float32)


def room_noise(num_samples: int, rng: random.Random) -> Waveform:
    """Of a random colour, 24 to 36 dB below the speech."""
    noise = match_level(draw_noise(num_samples, rng), rng.uniform(-62.0, -50.0))
    return _faded(noise)


def noise_burst(num_samples: int, rng: random.Random) -> Waveform:
    """One to three bangs as loud as speech, each dying away within half a second."""
    out = np.zeros(num_samples, np.float32)
    for _ in range(rng.randint(1, 3)):
        length = min(num_samples, int(rng.uniform(0.1, 0.5) * SAMPLE_RATE_HZ))
        bang = match_level(draw_noise(length, rng), rng.uniform(-32.0, -20.0))
        start = rng.randint(0, num_samples - length)
        out[start : start + length] += bang * np.exp(-5.0 * np.arange(length) / length)
    return _faded(out)


def music(num_samples: int, rng: random.Random) -> Waveform:
    """Chords with a bass and a rhythm, plucked or held, as loud as speech or louder."""
    beat = int(SAMPLE_RATE_HZ * 60 / rng.uniform(80, 140))
    root, decay_per_s = rng.randint(-5, 6), rng.choice((0.5, 1.5, 4.0))
    out = np.zeros(num_samples + 4 * beat, np.float32)
    for index, start in enumerate(range(0, num_samples, beat)):
        chord = _PROGRESSION[index // 4 % len(_PROGRESSION)]
        notes = [chord[0] - 12] if index % 2 == 0 else [*chord, chord[index // 2 % 3] + 12]
        for note in notes:
            struck = _string(_A_HZ * 2 ** ((root + note) / 12), 3 * beat, decay_per_s)
            out[start : start + len(struck)] += struck * rng.uniform(0.7, 1.0)
    return _faded(match_level(out[:num_samples], rng.uniform(-28.0, -18.0)))


SOUNDS: Mapping[Sound, Callable[[int, random.Random], Waveform]] = {
    "silence": silence,
    "room noise": room_noise,
    "noise burst": noise_burst,
    "music": music,
}


def _string(pitch_hz: float, num_samples: int, decay_per_s: float) -> Waveform:
    """Harmonics that die away, the high ones faster."""
    at_s = np.arange(num_samples) / SAMPLE_RATE_HZ
    out = np.zeros(num_samples)
    for harmonic in range(1, _NUM_HARMONICS + 1):
        decay = np.exp(-at_s * decay_per_s * (1 + harmonic / 2))
        out += np.sin(2 * math.pi * pitch_hz * harmonic * at_s) * decay / harmonic
    return _faded(out.astype(np.float32))


def _faded(waveform: Waveform) -> Waveform:
    """Without a click at either end."""
    length = min(len(waveform) // 2, int(_FADE_S * SAMPLE_RATE_HZ))
    ramp = np.linspace(0.0, 1.0, length, dtype=np.float32)
    waveform[:length] *= ramp
    waveform[len(waveform) - length :] *= ramp[::-1]
    return waveform
