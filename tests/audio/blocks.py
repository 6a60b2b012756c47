"""Blocks of audio as the decoder gives them, with what a test says of where people speak."""

from collections.abc import Iterator

import numpy as np

from serve_app.audio.waveform import WINDOW, Block, Pcm

BLOCK_SAMPLES = 32 * WINDOW


def told_blocks(
    pcm: Pcm, channel: int = 0, *, block_samples: int = BLOCK_SAMPLES
) -> Iterator[Block]:
    """What is loud is speech."""
    for start in range(0, len(pcm), block_samples):
        part = pcm[start : start + block_samples]
        windows = np.pad(part, (0, -len(part) % WINDOW)).reshape(-1, WINDOW)
        loud = np.abs(windows.astype(np.int32)).max(axis=1) > 500
        yield Block(part, loud.astype(np.uint8).tobytes(), channel)
