"""Seeds in, recordings whose words and their times are known out: digits that real people said."""

import random
from dataclasses import dataclass

import numpy as np

from tiny.speech import augment, grammar
from tiny.speech.recordings import TRAINING_SPEAKERS, say_digits
from tiny.speech.voices import SAMPLE_RATE_HZ

_LEAD_S, _TAIL_S = 0.4, 0.6
_PAUSES_S = (0.6, 1.6)
"""As people pause between two strings; speech that never pauses is nobody's."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One stream's worth of speech."""

    pcm: bytes
    """PCM16LE mono, 16 kHz."""
    words: tuple[str, ...]
    ends_s: tuple[float, ...]
    """Where each word ends."""

    @property
    def duration_s(self) -> float:
        return len(self.pcm) / 2 / SAMPLE_RATE_HZ


def recording(seed: int, *, at_least_s: float) -> Recording:
    """Strings of three to six digits with pauses between, by one person."""
    rng = random.Random(f"stream {seed}")
    speaker = TRAINING_SPEAKERS[seed % len(TRAINING_SPEAKERS)]
    spoken, pauses_s, length_s = [], [_LEAD_S], 0.0
    while length_s < at_least_s:
        text = " ".join(rng.choices(grammar.DIGITS, k=rng.randint(3, 6)))
        said = say_digits(text, speaker, rng, max_gap_s=0.3)
        spoken.append(said)
        pauses_s.append(rng.uniform(*_PAUSES_S))
        length_s += len(said.waveform) / SAMPLE_RATE_HZ + pauses_s[-1]
    pauses_s[-1] = _TAIL_S
    whole = augment.join(spoken, pauses_s)
    samples = np.clip(augment.add_noise(whole.waveform, rng, snr_db=40), -1, 1)
    return Recording(
        (samples * 32767).astype("<i2").tobytes(),
        tuple(word.text for word in whole.words),
        tuple(word.end_s for word in whole.words),
    )
