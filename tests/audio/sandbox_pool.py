"""A small pool of real decoders, clips for it, and what the kernel says of its processes."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from serve_app.audio.sandbox import DecoderPool
from serve_app.audio.waveform import SAMPLE_RATE_HZ, Block, Pcm
from tests.audio.audio_files import encode, speechlike

MIB = 1 << 20
CLIP = encode(speechlike(2.0, SAMPLE_RATE_HZ), SAMPLE_RATE_HZ, "WAV", "PCM_16")
CLIP_PCM = np.frombuffer(CLIP[44:], "<i2")
LONG_S = 1800
LONG = encode(np.zeros((LONG_S * 8_000, 2), np.int16), 8_000, "FLAC")


@asynccontextmanager
async def pool(**overrides: Any) -> AsyncIterator[DecoderPool]:
    settings: dict[str, Any] = {
        "num_decoders": 1,
        "max_waiting": 8,
        "timeout_s": 20.0,
        "memory_bytes": 512 * MIB,
        "max_audio_s": 7200.0,
    }
    decoders = DecoderPool(**{**settings, **overrides})
    await decoders.start()
    try:
        yield decoders
    finally:
        await decoders.close()


async def whole(decoders: DecoderPool, data: bytes, **options: Any) -> Pcm:
    return np.concatenate([block.pcm async for block in decoders.decode(data, **options)])


def exists(pid: int) -> bool:
    """Whether a process lives, or has ended and nobody has asked for its status."""
    return Path(f"/proc/{pid}").exists()


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().split()[2]


async def ended(pid: int) -> None:
    """Return once a process has ended."""
    gone = asyncio.Event()
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    asyncio.get_running_loop().add_reader(pidfd, gone.set)
    async with asyncio.timeout(10):
        await gone.wait()
    asyncio.get_running_loop().remove_reader(pidfd)
    os.close(pidfd)


def only(pids: frozenset[int]) -> int:
    (pid,) = pids
    return pid


async def consume(blocks: AsyncIterator[Block]) -> None:
    async for _ in blocks:
        pass
