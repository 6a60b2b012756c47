"""A file in, blocks of PCM16 at 16 kHz out, at the pace that they were spoken in."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import av

RATE_HZ = 16_000
BLOCK_SAMPLES = 640
"""40 ms: half of the shortest step of a model."""
BYTES_PER_SAMPLE = 2


class UnreadableRecordingError(Exception):
    """`str(error)` is fit to be shown."""


def read_recording(path: Path) -> bytes:
    """All of its sound as PCM16, mono, 16 kHz; of any container and codec that FFmpeg knows.

    Raises:
        UnreadableRecordingError: it cannot be read, or there is no sound in it.
    """
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise UnreadableRecordingError(f"{path}: there is no sound in it")
            return b"".join(_resampled(container))
    except (OSError, av.FFmpegError) as error:
        raise UnreadableRecordingError(f"{path}: {error.strerror or error}") from error


async def paced(pcm: bytes, speed: float) -> AsyncIterator[bytes]:
    """Blocks when they would have been spoken, `speed` times as fast; infinity does not wait."""
    began_at = time.perf_counter()
    block_bytes = BLOCK_SAMPLES * BYTES_PER_SAMPLE
    for first in range(0, len(pcm), block_bytes):
        block = pcm[first : first + block_bytes]
        spoken_s = (first + len(block)) / BYTES_PER_SAMPLE / RATE_HZ
        early_s = began_at + spoken_s / speed - time.perf_counter()
        await asyncio.sleep(max(0.0, early_s))
        yield block


def duration_s(pcm: bytes) -> float:
    return len(pcm) / BYTES_PER_SAMPLE / RATE_HZ


def _resampled(container: av.container.InputContainer) -> Iterator[bytes]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
    for frame in container.decode(audio=0):
        for piece in resampler.resample(frame):
            yield piece.to_ndarray().tobytes()
    for piece in resampler.resample(None):
        yield piece.to_ndarray().tobytes()
