"""A chunk in, whether and where anybody could be speaking in it out."""

from dataclasses import replace

import numpy as np

from serve_app.audio.waveform import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, Chunk

SILENCE_DBFS = -66.0
"""Twice the smallest step of G.711 A-law, which never falls silent; far below any speech."""

MARGIN_S = 0.3
"""Of the silence around speech, so much is left to the model on either side."""

_FRAME = SAMPLE_RATE_HZ // 50
SILENCE_POWER = (32768 * 10 ** (SILENCE_DBFS / 20)) ** 2


def is_silent(chunk: Chunk) -> bool:
    """Whether no 20 ms of `chunk`, its DC offset aside, are louder than `SILENCE_DBFS`.

    Says True only where no model need be asked; noise is not silence.
    """
    samples = chunk.samples().astype(np.float32)
    num_whole = len(samples) // _FRAME * _FRAME
    frames = samples[:num_whole].reshape(-1, _FRAME)
    if frames.size and frames.var(axis=1).max() > SILENCE_POWER:
        return False
    tail = samples[-_FRAME:]
    return not tail.size or bool(tail.var() <= SILENCE_POWER)


def without_silence(chunk: Chunk) -> Chunk:
    """`chunk` without the silence before and behind it, but for `MARGIN_S`; silence as it is.

    Models are at their best where speech begins soon: attention decoders lose words behind a long
    silence. Silence between words stays.
    """
    samples = chunk.samples().astype(np.float32)
    num_whole = len(samples) // _FRAME * _FRAME
    loud = np.flatnonzero(samples[:num_whole].reshape(-1, _FRAME).var(axis=1) > SILENCE_POWER)
    if not loud.size:
        return chunk
    margin = round(MARGIN_S * SAMPLE_RATE_HZ)
    first = max(0, int(loud[0]) * _FRAME - margin)
    end = min(len(samples), (int(loud[-1]) + 1) * _FRAME + margin)
    if samples[-_FRAME:].var() > SILENCE_POWER:
        end = len(samples)
    pcm = chunk.pcm[first * BYTES_PER_SAMPLE : end * BYTES_PER_SAMPLE]
    return replace(chunk, pcm=pcm, start_s=chunk.start_s + first / SAMPLE_RATE_HZ)
