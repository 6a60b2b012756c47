"""The bytes of an upload in, blocks of 16 kHz PCM out, about a second each.

Runs in a child process (`sandbox`): whatever it meets was written by a stranger.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import soxr  # type: ignore[import-untyped]  # ships no stubs

from serve_app.audio.codecs import ffmpeg
from serve_app.audio.codecs.source import FileSource
from serve_app.audio.listening import Listeners
from serve_app.audio.voice import SileroDetector
from serve_app.audio.waveform import MAX_SPLIT_CHANNELS, SAMPLE_RATE_HZ, Block, Channel, Pcm
from serve_app.errors import (
    AudioTooLongError,
    EmptyAudioError,
    InvalidOptionError,
    UndecodableAudioError,
)

_MAX_BLOCK = 2 * SAMPLE_RATE_HZ
"""Samples; reached only by codecs whose single frame is longer than a second."""

_Heard: TypeAlias = npt.NDArray[np.float32]
"""Of shape `(num_samples, num_channels)`: one channel, or all that are to be split."""


def decode_blocks(
    data: bytes | FileSource, *, channel: Channel = "mix", max_audio_s: float = float("inf")
) -> Iterator[Pcm]:
    """Decode a whole file, keeping only seconds of it in memory.

    Blocks are of shape `(num_samples,)`; with `channel="split"`, `(num_samples, num_channels)`.
    What is cut off or damaged is left out, as long as something can be decoded.

    Raises:
        EmptyAudioError: it holds no samples.
        UnsupportedFormatError: its container or codec is not accepted.
        UndecodableAudioError: nothing of it can be decoded, its samples are no numbers, or its
            channels to be split change in number.
        InvalidOptionError: it has no such channel, or too many to split.
        AudioTooLongError: it is longer than `max_audio_s`.
    """
    num_samples = 0
    for heard in _resampled(data, channel, max_audio_s):
        num_samples += len(heard)
        if num_samples > max_audio_s * SAMPLE_RATE_HZ:
            raise AudioTooLongError(num_samples / SAMPLE_RATE_HZ, max_audio_s)
        for start in range(0, len(heard), _MAX_BLOCK):
            pcm = _pcm(heard[start : start + _MAX_BLOCK])
            yield pcm if channel == "split" else pcm[:, 0]
    if not num_samples:
        raise EmptyAudioError


def heard_blocks(
    data: bytes | FileSource,
    *,
    channel: Channel = "mix",
    max_audio_s: float = float("inf"),
    unheard_s: float = 0.0,
    decode: Callable[..., Iterator[Pcm]] = decode_blocks,
) -> Iterator[Block]:
    """The same, with where somebody may be speaking: blocks of one channel each, the channels in
    turn. Of a recording of up to `unheard_s` nobody asks. Raises what `decode_blocks` does."""
    listeners = Listeners(SileroDetector, unheard_s)
    waiting: list[deque[Block]] = []
    try:
        for pcm in decode(data, channel=channel, max_audio_s=max_audio_s):
            channels = pcm.reshape(len(pcm), -1)
            waiting.extend(deque() for _ in range(channels.shape[1] - len(waiting)))
            for number, listener in enumerate(listeners.of(channels.shape[1])):
                waiting[number].extend(listener.push(channels[:, number]))
            yield from _in_turn(waiting)
        for listener, blocks in zip(listeners.all, waiting, strict=True):
            blocks.extend(listener.flush())
        yield from _in_turn(waiting)
    finally:
        listeners.close()


def _in_turn(channels: list[deque[Block]]) -> Iterator[Block]:
    """A block of each, as long as each has one: in the end all have as many."""
    while channels and all(channels):
        for blocks in channels:
            yield blocks.popleft()


def _resampled(data: bytes | FileSource, channel: Channel, max_audio_s: float) -> Iterator[_Heard]:
    """What is to be heard, at 16 kHz. A file that changes its rate gets a new filter there."""
    resampler: _Resampler | None = None
    for stretch in ffmpeg.read(data, max_audio_s=max_audio_s):
        heard = _finite(_channels(stretch.samples, channel))
        if resampler is None or stretch.rate_hz != resampler.rate_hz:
            if resampler is not None:
                yield _finite(resampler.flush())
            num_channels = heard.shape[1] if resampler is None else resampler.num_channels
            resampler = _Resampler(stretch.rate_hz, num_channels)
        if heard.shape[1] != resampler.num_channels:
            raise UndecodableAudioError("its number of channels changes, so they cannot be split")
        yield _finite(resampler.push(heard))  # finite ones can still add up to infinity
    if resampler is not None:
        yield _finite(resampler.flush())


def _finite(heard: _Heard) -> _Heard:
    if not np.isfinite(heard).all():
        raise UndecodableAudioError("some of its samples are no finite numbers")
    return heard


def _channels(samples: ffmpeg.Samples, channel: Channel) -> _Heard:
    num_channels = samples.shape[1]
    if channel == "mix":
        return samples if num_channels == 1 else samples.mean(axis=1, dtype=np.float32)[:, None]
    if channel == "split":
        if num_channels > MAX_SPLIT_CHANNELS:
            raise InvalidOptionError(
                "channel", f"at most {MAX_SPLIT_CHANNELS} channels are split; it has {num_channels}"
            )
        return samples
    if not 0 <= channel < num_channels:
        only = "one channel, 0" if num_channels == 1 else f"channels 0 to {num_channels - 1}"
        raise InvalidOptionError("channel", f"there is no channel {channel}; the audio has {only}")
    return samples[:, channel : channel + 1]


class _Resampler:
    """A filter whose state outlives a block, so that blocks join without a seam."""

    def __init__(self, rate_hz: int, num_channels: int) -> None:
        self.rate_hz = rate_hz
        self.num_channels = num_channels
        self._stream = (
            None
            if rate_hz == SAMPLE_RATE_HZ
            else soxr.ResampleStream(
                rate_hz, SAMPLE_RATE_HZ, num_channels, dtype="float32", quality="HQ"
            )
        )

    def push(self, heard: _Heard) -> _Heard:
        if self._stream is None:
            return heard
        return self._shaped(self._stream.resample_chunk(self._laid_out(heard)))

    def flush(self) -> _Heard:
        """What the filter still holds. The resampler is spent after it."""
        rest: _Heard = np.zeros((0, self.num_channels), np.float32)
        if self._stream is None:
            return rest
        return self._shaped(self._stream.resample_chunk(self._laid_out(rest), last=True))

    def _laid_out(self, heard: _Heard) -> _Heard:
        """As soxr wants it: one channel has one dimension."""
        return np.ascontiguousarray(heard[:, 0] if self.num_channels == 1 else heard)

    def _shaped(self, resampled: _Heard) -> _Heard:
        return resampled.reshape(-1, self.num_channels)


def _pcm(heard: _Heard) -> Pcm:
    """16-bit samples, loud ones clipped; 16-bit input comes out as it went in."""
    pcm: Pcm = np.clip(np.rint(heard * np.float32(32768)), -32768, 32767).astype(np.int16)
    return pcm
