"""Clips for the whole graph: digits of real people in every codec, noise, silence."""

import io
import random

import numpy as np
import numpy.typing as npt
import soundfile as sf
import soxr

from tests.audio.audio_files import FORMATS
from tiny.speech.grammar import DIGITS
from tiny.speech.recordings import TRAINING_SPEAKERS, UNSEEN_SPEAKER, say_digits

Samples = npt.NDArray[np.float32]
RATE_HZ = 16_000

CODECS = (
    "WAV, 16 bits",
    "WAV, G.711 µ-law",
    "WAV, G.711 A-law",
    "FLAC",
    "MP3, 16 kHz",
    "OGG Vorbis",
    "OGG Opus, 16 kHz",
    "M4A, AAC",
    "WebM, Opus",
    "AMR-NB",
)


def spoken_digits(count: int, rng: random.Random) -> Samples:
    """Digits of one real person, with silence around them."""
    speaker = rng.choice((*TRAINING_SPEAKERS, UNSEEN_SPEAKER))
    said = say_digits(" ".join(rng.choices(DIGITS, k=count)), speaker, rng).waveform
    return np.concatenate([_silence(rng.uniform(0.1, 0.5)), said, _silence(rng.uniform(0.2, 1))])


def mixed_clips(num_clips: int, rng: random.Random) -> list[bytes]:
    """From half a second to a quarter of a minute, in every codec in turn."""
    return [
        coded(spoken_digits(rng.randint(1, 20), rng), CODECS[index % len(CODECS)])
        for index in range(num_clips)
    ]


def coded(samples: Samples, codec: str) -> bytes:
    """`samples` (16 kHz) as a file of one of `CODECS`."""
    encode, rate_hz, _ = FORMATS[codec]
    if rate_hz != RATE_HZ:
        samples = soxr.resample(samples, RATE_HZ, rate_hz)
    return encode(samples, rate_hz)


def wav(samples: Samples) -> bytes:
    file = io.BytesIO()
    sf.write(file, samples, RATE_HZ, format="WAV", subtype="PCM_16")
    return file.getvalue()


def silence_wav(duration_s: float) -> bytes:
    return wav(_silence(duration_s))


def noise_wav(duration_s: float) -> bytes:
    """Loud, so that no chunk of it counts as silence."""
    noise = np.random.default_rng(3).normal(0, 0.1, round(duration_s * RATE_HZ))
    return wav(noise.astype(np.float32))


def speech_wav(duration_s: float) -> bytes:
    """Somebody speaks all the time: of other sounds long recordings are rid."""
    digits = spoken_digits(int(2.5 * duration_s) + 2, random.Random(3))
    return wav(digits[: round(duration_s * RATE_HZ)])


def _silence(duration_s: float) -> Samples:
    return np.zeros(round(duration_s * RATE_HZ), np.float32)
