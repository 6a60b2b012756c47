"""A recording in, the same in every codec that clients send out."""

import io
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import soundfile  # type: ignore[import-untyped]  # ships no stubs
import soxr  # type: ignore[import-untyped]  # ships no stubs

from loadtest.bench.clips import TINY
from serve_app.audio.waveform import SAMPLE_RATE_HZ

Samples = npt.NDArray[np.int16]

CODECS: Mapping[str, tuple[str, str, int, dict[str, str]]] = {
    "WAV PCM, 16 kHz": ("wav", "pcm_s16le", 16_000, {}),
    "WAV PCM, 44.1 kHz": ("wav", "pcm_s16le", 44_100, {}),
    "WAV G.711 µ-law, 8 kHz": ("wav", "pcm_mulaw", 8_000, {}),
    "FLAC, 16 kHz": ("flac", "flac", 16_000, {}),
    "MP3, 44.1 kHz": ("mp3", "libmp3lame", 44_100, {"b": "64k"}),
    "OGG Opus, 48 kHz": ("ogg", "libopus", 48_000, {"b": "24k"}),
    "WebM Opus, 48 kHz": ("webm", "libopus", 48_000, {"b": "24k"}),
    "OGG Vorbis, 44.1 kHz": ("ogg", "soundfile", 44_100, {}),
    "M4A AAC, 44.1 kHz": ("mp4", "aac", 44_100, {"b": "64k"}),
    "AMR-NB, 8 kHz": ("amr", "libopencore_amrnb", 8_000, {"b": "12200"}),
}
"""Container, FFmpeg's name of the encoder (Vorbis is libsndfile's), rate, options."""
_FRAME_SIZES = {
    "libopus": 960, "libmp3lame": 1152, "libopencore_amrnb": 160, "flac": 4096,
}  # fmt: skip
"""Samples of a frame, where the encoder takes no other."""


def speech(duration_s: float) -> Samples:
    """Real people saying digits, over and over."""
    found, rate_hz = soundfile.read(TINY / "data/jackson.flac", dtype="int16")
    times = int(duration_s * rate_hz / len(found)) + 1
    cut = np.tile(found, times)[: int(duration_s * rate_hz)]
    return _resampled(cut, rate_hz, SAMPLE_RATE_HZ)


def encoded(samples: Samples, codec: str) -> bytes | None:
    """A whole file; None where this FFmpeg has no such encoder."""
    container, encoder, rate_hz, options = CODECS[codec]
    file = io.BytesIO()
    if encoder == "soundfile":
        soundfile.write(file, _resampled(samples, SAMPLE_RATE_HZ, rate_hz), rate_hz, format="OGG")
        return file.getvalue()
    if encoder not in av.codecs_available:
        return None
    with av.open(file, "w", format=container) as output:
        stream: Any = output.add_stream(encoder, rate=rate_hz, layout="mono", options=options)
        fifo = av.AudioFifo()
        for piece in _frames(samples, stream.codec_context.codec, rate_hz):
            fifo.write(piece)
        size = _FRAME_SIZES.get(encoder, 1024)
        while frame := fifo.read(size) or fifo.read():
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def _frames(samples: Samples, codec: Any, rate_hz: int) -> Iterator[av.AudioFrame]:
    """In the form and at the rate that the encoder takes."""
    whole = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
    whole.sample_rate = SAMPLE_RATE_HZ
    whole.time_base = Fraction(1, SAMPLE_RATE_HZ)
    whole.pts = 0
    resampler = av.AudioResampler(format=codec.audio_formats[0], layout="mono", rate=rate_hz)
    yield from resampler.resample(whole)
    yield from resampler.resample(None)


def _resampled(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    return np.asarray(soxr.resample(samples, from_hz, to_hz), dtype=np.int16)
