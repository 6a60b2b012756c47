"""A chunk in, whether and where anybody could be speaking in it out."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from serve_app.audio.waveform import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, Chunk, Pcm

SILENCE_DBFS = -66.0
"""Twice the smallest step of G.711 A-law, which never falls silent; far below any speech."""

MARGIN_S = 0.3
"""Of the silence around speech, so much is left to the model on either side."""

_FRAME = SAMPLE_RATE_HZ // 50
SILENCE_POWER = (32768 * 10 ** (SILENCE_DBFS / 20)) ** 2


_FRAMES_AT_ONCE = 64
"""Most recordings are loud near both ends: what lies between need not be looked at."""


def is_silent(chunk: Chunk) -> bool:
    """Whether no 20 ms of `chunk`, its DC offset aside, are louder than `SILENCE_DBFS`.

    Says True only where no model need be asked; noise is not silence.
    """
    samples = chunk.samples()
    return _first_loud(samples) is None and not _ends_loud(samples)


def without_silence(chunk: Chunk) -> Chunk:
    """`chunk` without the silence before and behind it, but for `MARGIN_S`; silence as it is.

    Models are at their best where speech begins soon: attention decoders lose words behind a long
    silence. Silence between words stays.
    """
    samples = chunk.samples()
    first_loud = _first_loud(samples)
    if first_loud is None:
        return chunk
    margin = round(MARGIN_S * SAMPLE_RATE_HZ)
    first = max(0, first_loud * _FRAME - margin)
    end = len(samples)
    if not _ends_loud(samples):
        end = min(end, (_last_loud(samples) + 1) * _FRAME + margin)
    pcm = chunk.pcm[first * BYTES_PER_SAMPLE : end * BYTES_PER_SAMPLE]
    return replace(chunk, pcm=pcm, start_s=chunk.start_s + first / SAMPLE_RATE_HZ)


def _first_loud(samples: Pcm) -> int | None:
    """The number of the first whole frame that is not silent."""
    num_frames = len(samples) // _FRAME
    for begin in range(0, num_frames, _FRAMES_AT_ONCE):
        loud = _loud(samples, begin, min(begin + _FRAMES_AT_ONCE, num_frames))
        if loud.size:
            return begin + int(loud[0])
    return None


def _last_loud(samples: Pcm) -> int:
    """The number of the last one; there is one."""
    end = len(samples) // _FRAME
    while True:
        begin = max(0, end - _FRAMES_AT_ONCE)
        loud = _loud(samples, begin, end)
        if loud.size:
            return begin + int(loud[-1])
        end = begin


def _loud(samples: Pcm, begin: int, end: int) -> npt.NDArray[np.intp]:
    frames = samples[begin * _FRAME : end * _FRAME].reshape(-1, _FRAME)
    return np.flatnonzero(frames.var(axis=1, dtype=np.float32) > SILENCE_POWER)


def _ends_loud(samples: Pcm) -> bool:
    """Whether the last 20 ms are not silent, which are no whole frame as a rule."""
    tail = samples[-_FRAME:]
    return bool(tail.size and tail.var(dtype=np.float32) > SILENCE_POWER)
