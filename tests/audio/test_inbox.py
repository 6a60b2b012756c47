"""Large uploads lie in a file of their decoder, and cost no more memory than small ones."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from serve_app.audio.waveform import SAMPLE_RATE_HZ
from serve_app.errors import UnsupportedFormatError
from tests.audio.audio_files import FORMATS, encode, speechlike
from tests.audio.sandbox_pool import CLIP, CLIP_PCM, MIB, consume, pool, whole

OF_A_JOB: dict[str, Any] = {"channel": "mix", "max_audio_s": 100.0}


def _filling(data: bytes) -> Callable[[int], Awaitable[int]]:
    async def fill(inbox: int) -> int:
        view = memoryview(data)
        while view:
            view = view[os.write(inbox, view) :]
        return len(data)

    return fill


async def test_what_is_in_the_inbox_is_decoded_as_what_is_sent() -> None:
    """Files of many formats through one decoder, in turn with sent ones and with broken ones."""
    async with pool() as decoders:
        for name, (encoded, rate_hz, _) in FORMATS.items():
            data = encoded(speechlike(1.3, rate_hz), rate_hz)
            sent = [block async for block in decoders.decode(data)]
            with pytest.raises(UnsupportedFormatError):
                await consume(decoders.decode_file(_filling(b"text" * 100_000), **OF_A_JOB))
            filled = [block async for block in decoders.decode_file(_filling(data), **OF_A_JOB)]
            assert [b.speech for b in filled] == [b.speech for b in sent], name
            for ours, theirs in zip(filled, sent, strict=True):
                assert np.array_equal(ours.pcm, theirs.pcm), name


async def test_an_inbox_larger_than_a_decoders_memory_is_decoded() -> None:
    samples = np.zeros(270 * MIB, np.int16)
    data = encode(samples, SAMPLE_RATE_HZ, "WAV", "PCM_16")
    async with pool() as decoders:
        blocks = decoders.decode_file(_filling(data), channel="mix", max_audio_s=30_000.0)
        num_samples = sum([len(block.pcm) async for block in blocks])
    assert num_samples == len(samples)


async def test_who_cannot_fill_an_inbox_leaves_the_decoder_to_others() -> None:
    async def fails(inbox: int) -> int:
        os.write(inbox, b"half")
        raise FileNotFoundError("gone")

    async with pool() as decoders:
        pids = decoders.pids
        with pytest.raises(FileNotFoundError):
            await consume(decoders.decode_file(fails, **OF_A_JOB))
        assert np.array_equal(await whole(decoders, CLIP), CLIP_PCM)
        assert decoders.pids == pids
