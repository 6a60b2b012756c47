"""PCM as it is spoken, in; the bytes of a file, as early as its format lets them, out.

The same pieces give the same bytes: who had a part of a file can have the rest from another
encoder.
"""

import io
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

import av
import numpy as np
import soxr  # type: ignore[import-untyped]  # ships no stubs
from av.audio.stream import AudioStream

from serve_app.audio.wav import wav_header

_SILENCE_S = 0.1
"""What a file holds where nothing was said, so that it can be opened."""
_FRAME_S = 0.5
"""Of samples that are handed to an encoder at once, wherever the text was cut."""


@dataclass(frozen=True, slots=True)
class _Codec:
    container: str
    encoder: str
    sample_format: str
    rates_hz: tuple[int, ...]
    """Others are resampled to the next above, or the highest."""
    bit_rate: int | None
    options: Mapping[str, str] = field(default_factory=dict)
    """Of the container."""


_CODECS: Mapping[str, _Codec] = {
    "mp3": _Codec(
        "mp3",
        "libmp3lame",
        "s16p",
        (8000, 16_000, 22_050, 24_000, 44_100, 48_000),
        64_000,
        {"write_xing": "0", "id3v2_version": "0"},  # both want to be written last, at the start
    ),
    "opus": _Codec(
        "ogg",
        "libopus",
        "s16",
        (8000, 16_000, 24_000, 48_000),
        48_000,
        {"page_duration": "200000"},  # microseconds
    ),
    "aac": _Codec("adts", "aac", "fltp", (8000, 16_000, 22_050, 24_000, 44_100, 48_000), 64_000),
    "flac": _Codec("flac", "flac", "s16", (8000, 16_000, 22_050, 24_000, 44_100, 48_000), None),
}


class _Writer(Protocol):
    def write(self, pcm: bytes, *, is_first: bool, is_last: bool) -> bytes: ...

    def close(self) -> None: ...


class Encoder:
    """One file. Close it, also where the rest is not wanted any more: from any thread, also while
    another encodes. FFmpeg's memory would be gone under its hands, so `close` waits for it."""

    def __init__(self, format_name: str, sample_rate_hz: int) -> None:
        """`sample_rate_hz` is that of the samples, and of the file where its format has it."""
        self._rate_hz = sample_rate_hz
        self._is_first = True
        self._is_empty = True
        self._is_closed = False
        self._one_at_a_time = threading.Lock()
        if format_name in _CODECS:
            self._writer: _Writer = _Coded(_CODECS[format_name], sample_rate_hz)
        elif format_name == "wav":
            self._writer = _Wav(sample_rate_hz)
        else:
            self._writer = _Plain()

    def encode(self, pcm: bytes, *, is_last: bool = False) -> bytes:
        """Take the next PCM16LE, or the last; give the bytes that are certain now: nothing where
        it was closed."""
        with self._one_at_a_time:
            return b"" if self._is_closed else self._encode(pcm, is_last)

    def _encode(self, pcm: bytes, is_last: bool) -> bytes:
        self._is_empty = self._is_empty and not pcm
        if is_last and self._is_empty:
            pcm = bytes(2 * round(_SILENCE_S * self._rate_hz))
        data = self._writer.write(pcm, is_first=self._is_first, is_last=is_last)
        self._is_first = False
        return data

    def close(self) -> None:
        with self._one_at_a_time:
            self._is_closed = True
            self._writer.close()


class _Plain:
    def write(self, pcm: bytes, *, is_first: bool, is_last: bool) -> bytes:
        return pcm

    def close(self) -> None:
        pass


class _Wav:
    """The header tells the length where all comes at once; else that it goes on to the end."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz

    def write(self, pcm: bytes, *, is_first: bool, is_last: bool) -> bytes:
        if not is_first:
            return pcm
        return wav_header(self._rate_hz, len(pcm) if is_last else None) + pcm

    def close(self) -> None:
        pass


class _Coded:
    """By FFmpeg's encoders."""

    def __init__(self, codec: _Codec, sample_rate_hz: int) -> None:
        self._codec = codec
        above = [rate for rate in codec.rates_hz if rate >= sample_rate_hz]
        self._rate_hz = min(above, default=codec.rates_hz[-1])
        self._resampler = (
            None
            if self._rate_hz == sample_rate_hz
            else soxr.ResampleStream(sample_rate_hz, self._rate_hz, 1, dtype="int16")
        )
        self._sink = _Sink()
        self._container = av.open(
            self._sink,
            "w",
            format=codec.container,
            options={"fflags": "+bitexact", "flush_packets": "1", **codec.options},
        )
        stream = self._container.add_stream(codec.encoder, rate=self._rate_hz)
        assert isinstance(stream, AudioStream)
        stream.codec_context.layout = "mono"
        stream.codec_context.format = codec.sample_format
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        if codec.bit_rate is not None:
            stream.codec_context.bit_rate = codec.bit_rate
        self._stream = stream
        self._rest = b""
        self._num_samples = 0

    def write(self, pcm: bytes, *, is_first: bool, is_last: bool) -> bytes:
        samples = self._rest + self._at_its_rate(pcm, is_last=is_last)
        step = 2 * round(_FRAME_S * self._rate_hz)
        end = len(samples) if is_last else len(samples) // step * step
        for start in range(0, end, step):
            self._encode(samples[start : start + step])
        self._rest = samples[end:]
        if is_last:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        return self._sink.taken()

    def _at_its_rate(self, pcm: bytes, *, is_last: bool) -> bytes:
        if self._resampler is None:
            return pcm
        samples = np.frombuffer(pcm, "<i2")
        return bytes(self._resampler.resample_chunk(samples, last=is_last).astype("<i2").tobytes())

    def _encode(self, pcm: bytes) -> None:
        samples = np.frombuffer(pcm, "<i2").reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = self._rate_hz
        frame.pts = self._num_samples
        frame.time_base = Fraction(1, self._rate_hz)
        self._num_samples += frame.samples
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        self._container.close()


class _Sink(io.RawIOBase):
    """What is written since it was last taken; a file that cannot be sought in."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]  # a buffer of FFmpeg's
        self._pieces.append(piece)
        return len(piece)

    def taken(self) -> bytes:
        data, self._pieces = b"".join(self._pieces), []
        return data
