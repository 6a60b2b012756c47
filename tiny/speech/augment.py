"""Waveform -> the same speech in another room, on another line, at another level.

Every function takes and returns mono float32 at 16 kHz unless it names a rate, keeps the
length unless it says so, and draws from the generator that it is given.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy import fft, signal

from tiny.speech.voices import SAMPLE_RATE_HZ, Utterance, Word

Waveform = NDArray[np.float32]


def match_level(waveform: Waveform, level_dbfs: float) -> Waveform:
    """Scale so that the root mean square is `level_dbfs`; silence stays as it is."""
    rms = float(np.sqrt(np.mean(np.square(waveform)))) if len(waveform) else 0.0
    return waveform if rms <= 0 else (waveform * (10 ** (level_dbfs / 20) / rms)).astype(np.float32)


def change_speed(utterance: Utterance, factor: float) -> Utterance:
    """Play faster (or slower) by `factor`: pitch, formants and length change together."""
    num_samples = int(len(utterance.waveform) / factor)
    positions = np.arange(num_samples, dtype=np.float64) * factor
    source = np.arange(len(utterance.waveform))
    if factor > 1:
        # Above the new Nyquist frequency is what would fold back.
        utterance_waveform = signal.sosfiltfilt(
            signal.butter(4, min(0.99, 1 / factor), output="sos"), utterance.waveform
        )
    else:
        utterance_waveform = utterance.waveform
    waveform = np.interp(positions, source, utterance_waveform).astype(np.float32)
    return Utterance(waveform, _scaled(utterance.words, 1 / factor), utterance.speaker)


def stretch_tempo(waveform: Waveform, factor: float, rate_hz: int) -> Waveform:
    """Shorten by `factor`, pitch kept: overlap-add at the best match (WSOLA)."""
    window = int(0.030 * rate_hz) // 2 * 2
    hop, search = window // 2, int(0.006 * rate_hz)
    num_frames = int((len(waveform) / factor - window) / hop)
    if num_frames < 2:
        return waveform
    padded = np.concatenate([waveform, np.zeros(window * 2 + search, np.float32)])
    shape = np.hanning(window + 1)[:-1].astype(np.float32)
    out = np.zeros(num_frames * hop + window, np.float32)
    out[:window] += padded[:window] * shape
    at = 0
    for frame in range(1, num_frames + 1):
        wanted = padded[at + hop : at + hop + window]
        low = max(0, int(frame * hop * factor) - search)
        region = padded[low : low + window + 2 * search]
        if len(wanted) < window or len(region) < window:
            break
        at = low + int(np.argmax(np.correlate(region, wanted, mode="valid")))
        out[frame * hop : frame * hop + window] += padded[at : at + window] * shape
    return out


def reverberate(waveform: Waveform, rng: random.Random) -> Waveform:
    """Add a room: exponentially decaying noise after the direct sound."""
    decay_s = rng.uniform(0.05, 0.5)
    num_samples = int(decay_s * SAMPLE_RATE_HZ)
    noise = _numpy_rng(rng).standard_normal(num_samples).astype(np.float32)
    # 60 dB down at the end: ln(1000) = 6.9.
    tail = noise * np.exp(-6.9 * np.arange(num_samples) / num_samples).astype(np.float32)
    tail *= rng.uniform(0.05, 0.6) / max(1e-6, float(np.sqrt(np.sum(np.square(tail)))))
    tail[0] = 1.0
    return signal.fftconvolve(waveform, tail)[: len(waveform)].astype(np.float32)


def add_noise(waveform: Waveform, rng: random.Random, *, snr_db: float) -> Waveform:
    """Add noise of a random colour, `snr_db` below the loud part of the speech."""
    noise = draw_noise(len(waveform), rng)
    speech_rms = float(np.sqrt(np.percentile(np.square(waveform), 90) + 1e-12))
    scale = speech_rms * 10 ** (-snr_db / 20) / (noise.std() + 1e-9)
    return (waveform + noise * scale).astype(np.float32)


def draw_noise(num_samples: int, rng: random.Random) -> Waveform:
    """Return noise of a random colour and of no particular level, sometimes with a hum."""
    white = _numpy_rng(rng).standard_normal(num_samples, dtype=np.float32)
    slope = rng.choice((0.0, 0.5, 1.0))
    noise = _equalise(white, lambda frequency: np.maximum(frequency, 50.0) ** -slope)
    if rng.random() < 0.3:
        hum_hz = rng.choice((50, 60, 100, 120, 150))
        hum = np.sin(2 * np.pi * hum_hz * np.arange(num_samples) / SAMPLE_RATE_HZ)
        noise = noise / (noise.std() + 1e-9) + hum * rng.uniform(0.3, 1.5)
    return noise.astype(np.float32)


def limit_band(waveform: Waveform, low_hz: float, high_hz: float) -> Waveform:
    """Keep `low_hz` to `high_hz`, with the soft edges of a cheap line."""
    edges = [max(20.0, low_hz), min(high_hz, SAMPLE_RATE_HZ / 2 - 100)]
    sos = signal.butter(4, edges, "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    return signal.sosfilt(sos, waveform).astype(np.float32)


def tilt(waveform: Waveform, rng: random.Random) -> Waveform:
    """Colour the spectrum as another microphone would: a random smooth equaliser."""
    anchors_hz = np.array([0, 200, 500, 1_000, 2_000, 4_000, 8_000])
    gains_db = np.cumsum([rng.uniform(-3, 3) for _ in anchors_hz])
    return _equalise(waveform, lambda f: 10 ** (np.interp(f, anchors_hz, gains_db) / 20))


def warp_filters(filters: NDArray[np.float32], warp: float) -> NDArray[np.float32]:
    """Return mel filters, (mels, bins), that hear a vocal tract of another length.

    Each reads its energy from `warp` times its frequency; above a knee the map bends, so
    that the highest frequency stays in place (Lee and Rose, 1996).
    """
    last = filters.shape[1] - 1
    bins = np.arange(last + 1, dtype=np.float64)
    knee = 0.8 * last / max(1.0, warp)
    source = np.interp(bins, [0, knee, last], [0, warp * knee, last])
    low = np.minimum(source.astype(int), last - 1)
    read = np.zeros((last + 1, last + 1))
    read[np.arange(last + 1), low] = 1 - (source - low)
    read[np.arange(last + 1), low + 1] = source - low
    return (filters @ read).astype(np.float32)


CODECS = {
    "ulaw": (8_000, "WAV", "ULAW"),
    "alaw": (8_000, "WAV", "ALAW"),
    "mp3": (SAMPLE_RATE_HZ, "MP3", "MPEG_LAYER_III"),
    "mp3-8k": (8_000, "MP3", "MPEG_LAYER_III"),
    "opus": (SAMPLE_RATE_HZ, "OGG", "OPUS"),
}
"""Name -> rate in Hz, container and codec: libsndfile's real encoders."""


def through_codec(waveform: Waveform, codec: str, *, compression: float = 0.5) -> Waveform:
    """Encode and decode; 1.0 is the strongest `compression` of the lossy codecs."""
    rate_hz, container, subtype = CODECS[codec]
    if rate_hz != SAMPLE_RATE_HZ:
        sent = np.clip(soxr.resample(waveform, SAMPLE_RATE_HZ, rate_hz), -1, 1)
    else:
        sent = np.clip(waveform, -1, 1)
    buffer = io.BytesIO()
    options = {"compression_level": compression} if container != "WAV" else {}
    soundfile.write(buffer, sent, rate_hz, format=container, subtype=subtype, **options)
    buffer.seek(0)
    received, received_hz = soundfile.read(buffer, dtype="float32")
    if received_hz != SAMPLE_RATE_HZ:
        received = soxr.resample(received, received_hz, SAMPLE_RATE_HZ)
    return fit_length(received, len(waveform))


def fit_length(waveform: Waveform, num_samples: int) -> Waveform:
    """Cut or fill with zeros to `num_samples`."""
    if len(waveform) >= num_samples:
        return waveform[:num_samples].astype(np.float32)
    return np.pad(waveform, (0, num_samples - len(waveform))).astype(np.float32)


def join(utterances: Sequence[Utterance], pauses_s: Sequence[float]) -> Utterance:
    """Put utterances one after another; `pauses_s` holds one more pause than utterances."""
    pieces, words, cursor = [], [], 0
    for utterance, pause_s in zip(utterances, pauses_s, strict=False):
        pieces.append(np.zeros(int(pause_s * SAMPLE_RATE_HZ), np.float32))
        cursor += len(pieces[-1])
        shift_s = cursor / SAMPLE_RATE_HZ
        words += [Word(w.text, w.start_s + shift_s, w.end_s + shift_s) for w in utterance.words]
        pieces.append(utterance.waveform)
        cursor += len(utterance.waveform)
    pieces.append(np.zeros(int(pauses_s[-1] * SAMPLE_RATE_HZ), np.float32))
    speaker = ",".join(dict.fromkeys(u.speaker for u in utterances))
    return Utterance(np.concatenate(pieces), tuple(words), speaker)


def distort(utterance: Utterance, rng: random.Random) -> Utterance:
    """Send an utterance through a random place, line and level, as training wants it."""
    waveform = match_level(utterance.waveform, -26.0)
    if rng.random() < 0.5:
        waveform = tilt(waveform, rng)
    if rng.random() < 0.35:
        waveform = reverberate(waveform, rng)
    if rng.random() < 0.85:
        waveform = add_noise(waveform, rng, snr_db=rng.uniform(5, 60))
    line = rng.random()
    if line < 0.25:
        waveform = limit_band(waveform, rng.uniform(50, 300), rng.uniform(3_000, 3_900))
    elif line < 0.40:
        waveform = limit_band(waveform, rng.uniform(20, 150), rng.uniform(4_000, 7_500))
    if rng.random() < 0.30:
        waveform = match_level(waveform, rng.uniform(-36, -20))
        # Opus is slow to encode, so it is rare.
        codec = rng.choices(tuple(CODECS), (6, 5, 3, 3, 1))[0]
        waveform = through_codec(waveform, codec, compression=rng.uniform(0.2, 0.9))
    waveform = match_level(waveform, rng.uniform(-50, -14))
    return Utterance(np.clip(waveform, -1, 1), utterance.words, utterance.speaker)


def _equalise(waveform: Waveform, gain_at: Callable[[Waveform], Waveform]) -> Waveform:
    """Multiply the spectrum by a gain that is a function of the frequency in Hz."""
    size = fft.next_fast_len(len(waveform), real=True)
    gain = gain_at(fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)).astype(np.float32)
    return fft.irfft(fft.rfft(waveform, size) * gain, size)[: len(waveform)].astype(np.float32)


def _scaled(words: tuple[Word, ...], factor: float) -> tuple[Word, ...]:
    return tuple(Word(w.text, w.start_s * factor, w.end_s * factor) for w in words)


def _numpy_rng(rng: random.Random) -> np.random.Generator:
    return np.random.default_rng(rng.getrandbits(64))
