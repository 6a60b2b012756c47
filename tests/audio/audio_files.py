"""A signal somewhat like speech in, files of it in every accepted format out."""

import io
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
import numpy.typing as npt
import soundfile as sf

Signal: TypeAlias = npt.NDArray[np.float32]
"""Of shape `(num_samples,)` or `(num_samples, num_channels)`; full scale is 1."""


def speechlike(duration_s: float, rate_hz: int, *, seed: int = 0) -> Signal:
    """Harmonics of a gliding pitch below 3 kHz, in syllables: what speech codecs are made for."""
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    phase = 2 * np.pi * (120 * time_s + 10 * np.sin(2 * time_s + seed))
    voice = sum(np.sin(k * phase + k) / (1 + (k - 4) ** 2 / 8) for k in range(1, 20))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 3 * time_s + seed)
    return (0.1 * voice * syllables).astype(np.float32)


def encode(signal: Signal, rate_hz: int, container: str, subtype: str | None = None) -> bytes:
    """By libsndfile, in pieces: its Vorbis encoder overflows the stack on long ones."""
    file = io.BytesIO()
    num_channels = 1 if signal.ndim == 1 else signal.shape[1]
    with sf.SoundFile(
        file, "w", rate_hz, num_channels, subtype=subtype, format=container
    ) as output:
        for start in range(0, len(signal), rate_hz):
            output.write(signal[start : start + rate_hz])
    return file.getvalue()


def encode_av(signal: Signal, rate_hz: int, container: str, codec: str, **options: str) -> bytes:
    """By FFmpeg."""
    file = io.BytesIO()
    layout = "mono" if signal.ndim == 1 else "stereo"
    with av.open(file, "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=rate_hz, layout=layout)
        stream.codec_context.open()
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(signal.reshape(len(signal), -1).T), format="fltp", layout=layout
        )
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
        resampler = av.AudioResampler(
            stream.format, layout, rate_hz, frame_size=stream.frame_size or 1024
        )
        for each in (frame, None):
            for piece in resampler.resample(each):
                output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return file.getvalue()


def _by_sndfile(container: str, subtype: str | None = None) -> Callable[[Signal, int], bytes]:
    return lambda signal, rate_hz: encode(signal, rate_hz, container, subtype)


def _by_ffmpeg(container: str, codec: str, **options: str) -> Callable[[Signal, int], bytes]:
    return lambda signal, rate_hz: encode_av(signal, rate_hz, container, codec, **options)


FORMATS: Mapping[str, tuple[Callable[[Signal, int], bytes], int, float]] = {
    "WAV, 8 bits": (_by_sndfile("WAV", "PCM_U8"), 16_000, 25.0),
    "WAV, 16 bits": (_by_sndfile("WAV", "PCM_16"), 16_000, 60.0),
    "WAV, 16 bits, 44.1 kHz": (_by_sndfile("WAV", "PCM_16"), 44_100, 60.0),
    "WAV, 24 bits": (_by_sndfile("WAV", "PCM_24"), 48_000, 60.0),
    "WAV, 32 bits": (_by_sndfile("WAV", "PCM_32"), 22_050, 60.0),
    "WAV, float": (_by_sndfile("WAV", "FLOAT"), 96_000, 60.0),
    "WAV, double": (_by_sndfile("WAV", "DOUBLE"), 16_000, 60.0),
    "WAV, G.711 µ-law": (_by_sndfile("WAV", "ULAW"), 8_000, 35.0),
    "WAV, G.711 A-law": (_by_sndfile("WAV", "ALAW"), 8_000, 35.0),
    "WAV, IMA ADPCM": (_by_sndfile("WAV", "IMA_ADPCM"), 8_000, 15.0),
    "WAV, MS ADPCM": (_by_sndfile("WAV", "MS_ADPCM"), 8_000, 15.0),
    "WAV, G.722": (_by_ffmpeg("wav", "g722"), 16_000, 15.0),
    "WAV, G.726": (_by_ffmpeg("wav", "g726"), 8_000, 12.0),
    "WAV, GSM": (_by_sndfile("WAV", "GSM610"), 8_000, 12.0),
    "WAV, extensible": (_by_sndfile("WAVEX", "PCM_24"), 16_000, 60.0),
    "RF64": (_by_sndfile("RF64", "PCM_16"), 16_000, 60.0),
    "W64": (_by_sndfile("W64", "PCM_16"), 16_000, 60.0),
    "AIFF": (_by_sndfile("AIFF", "PCM_16"), 44_100, 60.0),
    "AU, µ-law": (_by_sndfile("AU", "ULAW"), 8_000, 35.0),
    "CAF, 16 bits": (_by_sndfile("CAF", "PCM_16"), 48_000, 60.0),
    "FLAC": (_by_sndfile("FLAC"), 48_000, 60.0),
    "FLAC, 24 bits": (_by_sndfile("FLAC", "PCM_24"), 16_000, 60.0),
    "FLAC in OGG": (_by_ffmpeg("ogg", "flac"), 16_000, 60.0),
    "MP3": (_by_sndfile("MP3"), 44_100, 15.0),
    "MP3, 16 kHz": (_by_ffmpeg("mp3", "libmp3lame"), 16_000, 15.0),
    "OGG Vorbis": (_by_sndfile("OGG", "VORBIS"), 44_100, 20.0),
    "OGG Opus": (_by_ffmpeg("ogg", "libopus"), 48_000, 25.0),
    "OGG Opus, 16 kHz": (_by_ffmpeg("ogg", "libopus"), 16_000, 25.0),
    "M4A, AAC": (_by_ffmpeg("ipod", "aac"), 44_100, 15.0),
    "M4A, AAC, fragmented": (
        _by_ffmpeg("mp4", "aac", movflags="frag_keyframe+empty_moov"),
        48_000,
        15.0,
    ),
    "M4A, ALAC": (_by_ffmpeg("ipod", "alac"), 44_100, 60.0),
    "AAC": (_by_ffmpeg("adts", "aac"), 44_100, 15.0),
    "WebM, Opus": (_by_ffmpeg("webm", "libopus"), 48_000, 25.0),
    "Matroska, AAC": (_by_ffmpeg("matroska", "aac"), 48_000, 15.0),
    "AMR-NB": (_by_ffmpeg("amr", "libopencore_amrnb"), 8_000, 3.0),
    "AMR-NB in 3GP": (_by_ffmpeg("3gp", "libopencore_amrnb"), 8_000, 3.0),
    "AMR-WB": (lambda signal, rate_hz: AMR_WB.read_bytes(), 16_000, 6.0),
}
"""Title -> (encoder, sample rate in Hz, least signal-to-noise ratio in dB of what comes back)."""

AMR_WB = Path(__file__).with_name("two_seconds.awb")
"""`speechlike(2.0, 16_000)` at 23.85 kbit/s: no encoder of AMR-WB can be installed with pip."""
