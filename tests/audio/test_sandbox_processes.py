"""Decoders as processes: how they begin, die, are replaced and end."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from serve_app.audio.waveform import SAMPLE_RATE_HZ
from serve_app.errors import (
    AtCapacityError,
    ConfigError,
    UndecodableAudioError,
)
from tests.audio.sandbox_pool import (
    CLIP,
    CLIP_PCM,
    LONG,
    LONG_S,
    MIB,
    consume,
    ended,
    exists,
    only,
    pool,
    whole,
)


async def test_a_killed_decoder_costs_its_own_upload_only() -> None:
    async with pool(num_decoders=2) as decoders:
        victims = decoders.pids
        both = [decoders.decode(LONG), decoders.decode(LONG)]
        for each in both:
            await anext(each)
        os.kill(min(victims), signal.SIGKILL)
        lengths: list[float] = []
        for each in both:
            with contextlib.suppress(UndecodableAudioError):
                num_samples = sum([len(block.pcm) async for block in each])
                lengths.append(num_samples / SAMPLE_RATE_HZ)
        assert len(lengths) == 1
        assert lengths[0] == pytest.approx(LONG_S, abs=3)
        await ended(min(victims))
        assert np.array_equal(await whole(decoders, CLIP), CLIP_PCM)


async def test_a_decoder_that_dies_idle_is_replaced_before_anybody_asks() -> None:
    async with pool() as decoders:
        victim = only(decoders.pids)
        os.kill(victim, signal.SIGKILL)
        await ended(victim)
        assert np.array_equal(await whole(decoders, CLIP), CLIP_PCM)
        assert only(decoders.pids) != victim


async def test_closing_ends_every_decoder_and_tells_who_is_there() -> None:
    async with pool(num_decoders=2) as decoders:
        pids = decoders.pids
        busy = [decoders.decode(LONG), decoders.decode(LONG)]
        for each in busy:
            await anext(each)
        waiting = asyncio.create_task(whole(decoders, CLIP))
        await asyncio.sleep(0)
        await decoders.close()
        assert not any(exists(pid) for pid in pids)
        for each in busy:
            with pytest.raises(AtCapacityError):
                await consume(each)
        with pytest.raises(AtCapacityError):
            await waiting
        with pytest.raises(AtCapacityError):
            await whole(decoders, CLIP)


async def test_a_decoder_that_cannot_start_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="does not start"):
        async with pool(memory_bytes=1 * MIB):
            pass


async def test_decoders_end_with_a_parent_that_is_killed() -> None:
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in (await parent.stdout.readline()).split()]
    assert len(pids) == 2
    parent.kill()
    await parent.communicate()
    for pid in pids:
        await ended(pid)


PARENT = """
import asyncio
from serve_app.audio.sandbox import DecoderPool

async def main():
    pool = DecoderPool(
        num_decoders=2, max_waiting=1, timeout_s=9, memory_bytes=1 << 29, max_audio_s=9
    )
    await pool.start()
    print(*pool.pids, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_decoders_see_no_environment_and_little_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hush")
    async with pool() as decoders:
        proc = Path(f"/proc/{only(decoders.pids)}")
        assert b"SECRET_TOKEN" not in (proc / "environ").read_bytes()
        assert len(list((proc / "fd").iterdir())) <= 5
        assert len(list((proc / "task").iterdir())) == 1
        limits = (proc / "limits").read_text()
        for line in ("Max file size             0", "Max core file size        0"):
            assert line in limits
