"""The bytes of an upload in, blocks of 16 kHz mono PCM out, about a second each.

Runs in a child process (`sandbox`): whatever it meets was written by a stranger.
"""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import soxr  # type: ignore[import-untyped]  # ships no stubs

from serve_app.audio.codecs import ffmpeg
from serve_app.audio.waveform import SAMPLE_RATE_HZ, Channel, Pcm
from serve_app.errors import (
    AudioTooLongError,
    EmptyAudioError,
    InvalidOptionError,
    UndecodableAudioError,
)

_MAX_BLOCK = 2 * SAMPLE_RATE_HZ
"""Samples; reached only by codecs whose single frame is longer than a second."""

_Mono: TypeAlias = npt.NDArray[np.float32]


def decode_blocks(
    data: bytes, *, channel: Channel = "mix", max_audio_s: float = float("inf")
) -> Iterator[Pcm]:
    """Decode a whole file, keeping only seconds of it in memory.

    What is cut off or damaged is left out, as long as something can be decoded.

    Raises:
        EmptyAudioError: it holds no samples.
        UnsupportedFormatError: its container or codec is not accepted.
        UndecodableAudioError: nothing of it can be decoded, or its samples are no numbers.
        InvalidOptionError: it has no such channel.
        AudioTooLongError: it is longer than `max_audio_s`.
    """
    num_samples = 0
    for mono in _resampled(data, channel, max_audio_s):
        num_samples += len(mono)
        if num_samples > max_audio_s * SAMPLE_RATE_HZ:
            raise AudioTooLongError(num_samples / SAMPLE_RATE_HZ, max_audio_s)
        for start in range(0, len(mono), _MAX_BLOCK):
            yield _pcm(mono[start : start + _MAX_BLOCK])
    if not num_samples:
        raise EmptyAudioError


def _resampled(data: bytes, channel: Channel, max_audio_s: float) -> Iterator[_Mono]:
    """One channel at 16 kHz. A file that changes its rate midway gets a new filter there."""
    resampler = _Resampler(SAMPLE_RATE_HZ)
    for stretch in ffmpeg.read(data, max_audio_s=max_audio_s):
        if stretch.rate_hz != resampler.rate_hz:
            yield _finite(resampler.flush())
            resampler = _Resampler(stretch.rate_hz)
        mono = _finite(_one_channel(stretch.samples, channel))
        yield _finite(resampler.push(mono))  # finite ones can still add up to infinity
    yield _finite(resampler.flush())


def _finite(mono: _Mono) -> _Mono:
    if not np.isfinite(mono).all():
        raise UndecodableAudioError("some of its samples are no finite numbers")
    return mono


def _one_channel(samples: ffmpeg.Samples, channel: Channel) -> _Mono:
    num_channels = samples.shape[1]
    if channel == "mix":
        return samples[:, 0] if num_channels == 1 else samples.mean(axis=1, dtype=np.float32)
    if not 0 <= channel < num_channels:
        only = "one channel, 0" if num_channels == 1 else f"channels 0 to {num_channels - 1}"
        raise InvalidOptionError("channel", f"there is no channel {channel}; the audio has {only}")
    return samples[:, channel]


class _Resampler:
    """A filter whose state outlives a block, so that blocks join without a seam."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._stream = (
            None
            if rate_hz == SAMPLE_RATE_HZ
            else soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
        )

    def push(self, mono: _Mono) -> _Mono:
        if self._stream is None:
            return mono
        resampled: _Mono = self._stream.resample_chunk(np.ascontiguousarray(mono))
        return resampled

    def flush(self) -> _Mono:
        """What the filter still holds. The resampler is spent after it."""
        rest: _Mono = np.zeros(0, np.float32)
        if self._stream is not None:
            rest = self._stream.resample_chunk(rest, last=True)
        return rest


def _pcm(mono: _Mono) -> Pcm:
    """16-bit samples, loud ones clipped; 16-bit input comes out as it went in."""
    pcm: Pcm = np.clip(np.rint(mono * np.float32(32768)), -32768, 32767).astype(np.int16)
    return pcm
