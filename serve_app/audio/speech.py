"""A chunk in, whether anybody could be speaking in it out."""

import numpy as np

from serve_app.audio.waveform import SAMPLE_RATE_HZ, Chunk

SILENCE_DBFS = -66.0
"""Twice the smallest step of G.711 A-law, which never falls silent; far below any speech."""

_FRAME = SAMPLE_RATE_HZ // 50
_SILENCE_POWER = (32768 * 10 ** (SILENCE_DBFS / 20)) ** 2


def is_silent(chunk: Chunk) -> bool:
    """Whether no 20 ms of `chunk`, its DC offset aside, are louder than `SILENCE_DBFS`.

    Says True only where no model need be asked; noise is not silence.
    """
    samples = chunk.samples().astype(np.float32)
    num_whole = len(samples) // _FRAME * _FRAME
    frames = samples[:num_whole].reshape(-1, _FRAME)
    if frames.size and frames.var(axis=1).max() > _SILENCE_POWER:
        return False
    tail = samples[-_FRAME:]
    return not tail.size or bool(tail.var() <= _SILENCE_POWER)
