"""Whatever an upload does to its decoder costs one request, and no process is left behind."""

import asyncio
import os
import signal

import numpy as np
import pytest

from serve_app.audio.sandbox.messages import refusal_from_json, refusal_to_json
from serve_app.audio.waveform import SAMPLE_RATE_HZ
from serve_app.errors import (
    AtCapacityError,
    AudioTooLongError,
    EmptyAudioError,
    InvalidOptionError,
    SpeechError,
    UndecodableAudioError,
    UnsupportedFormatError,
)
from tests.audio.audio_files import encode
from tests.audio.sandbox_pool import (
    CLIP,
    CLIP_PCM,
    LONG,
    LONG_S,
    MIB,
    consume,
    ended,
    only,
    pool,
    state,
    whole,
)


async def test_a_clip_comes_back_as_it_is_and_the_decoder_stays() -> None:
    async with pool() as decoders:
        pids = decoders.pids
        for _ in range(5):
            assert np.array_equal(await whole(decoders, CLIP), CLIP_PCM)
        assert decoders.pids == pids


async def test_what_a_client_did_wrong_is_told_and_the_decoder_stays() -> None:
    async with pool(max_audio_s=60.0) as decoders:
        pids = decoders.pids
        for data, options, error in (
            (b"", {}, EmptyAudioError),
            (b"no audio at all", {}, UnsupportedFormatError),
            (CLIP[:30], {}, UndecodableAudioError),
            (CLIP, {"channel": 1}, InvalidOptionError),
            (LONG, {}, AudioTooLongError),
        ):
            with pytest.raises(error):
                await whole(decoders, data, **options)
        assert np.array_equal(await whole(decoders, CLIP), CLIP_PCM)
        assert decoders.pids == pids


async def test_more_uploads_than_decoders_take_turns() -> None:
    async with pool(num_decoders=2) as decoders:
        results = await asyncio.gather(*(whole(decoders, CLIP) for _ in range(10)))
    assert all(np.array_equal(result, CLIP_PCM) for result in results)


async def test_one_more_than_may_wait_hears_at_capacity() -> None:
    async with pool(max_waiting=1, retry_after_s=7.0) as decoders:
        busy = decoders.decode(LONG)
        await anext(busy)
        waiting = asyncio.create_task(whole(decoders, CLIP))
        await asyncio.sleep(0)
        with pytest.raises(AtCapacityError) as caught:
            await whole(decoders, CLIP)
        assert caught.value.retry_after_s == 7.0
        await busy.aclose()
        assert np.array_equal(await waiting, CLIP_PCM)


async def test_whoever_gives_up_waiting_leaves_the_queue() -> None:
    async with pool(max_waiting=1) as decoders:
        busy = decoders.decode(LONG)
        await anext(busy)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await whole(decoders, CLIP)
        await busy.aclose()
        assert np.array_equal(await whole(decoders, CLIP), CLIP_PCM)


async def test_an_upload_that_needs_more_memory_than_allowed_is_refused() -> None:
    async with pool(memory_bytes=320 * MIB) as decoders:
        victim = only(decoders.pids)
        with pytest.raises(UndecodableAudioError, match="too much memory"):
            await whole(decoders, bytes(300 * MIB))
        await ended(victim)
        assert np.array_equal(await whole(decoders, CLIP), CLIP_PCM)


async def test_an_upload_that_needs_more_processor_time_than_allowed_is_refused() -> None:
    hours = np.broadcast_to(np.int16(0), 4 * 3600 * 8_000)
    async with pool(cpu_s=0.1, max_audio_s=5 * 3600.0) as decoders:
        with pytest.raises(UndecodableAudioError, match="too much processor time"):
            await whole(decoders, encode(hours, 8_000, "FLAC"))
        assert np.array_equal(await whole(decoders, CLIP), CLIP_PCM)


async def test_a_decoder_that_says_nothing_in_time_is_replaced() -> None:
    async with pool(timeout_s=0.5) as decoders:
        for data in (CLIP, bytes(4 * MIB)):
            os.kill(victim := only(decoders.pids), signal.SIGSTOP)
            with pytest.raises(UndecodableAudioError, match=r"in 0\.5 s"):
                await whole(decoders, data)
            await ended(victim)
            assert np.array_equal(await whole(decoders, CLIP), CLIP_PCM)


@pytest.mark.parametrize("how", ["closed", "cancelled"])
async def test_whoever_leaves_early_leaves_no_work_behind(how: str) -> None:
    async with pool() as decoders:
        victim = only(decoders.pids)
        blocks = decoders.decode(LONG)
        await anext(blocks)
        if how == "closed":
            await blocks.aclose()
        else:
            rest = asyncio.create_task(consume(blocks))
            await asyncio.sleep(0)
            rest.cancel()
            with pytest.raises(asyncio.CancelledError):
                await rest
        await ended(victim)
        assert np.array_equal(await whole(decoders, CLIP), CLIP_PCM)


async def test_a_decoder_waits_for_whoever_reads_slowly() -> None:
    async with pool() as decoders:
        blocks = decoders.decode(LONG)
        await anext(blocks)
        await _until_asleep(only(decoders.pids))
        held = sum([len(block.pcm) async for block in blocks])
        assert held / SAMPLE_RATE_HZ == pytest.approx(LONG_S, abs=3)


async def _until_asleep(pid: int) -> None:
    """Return once a process waits to write: all that it has to say fits into no buffer."""
    async with asyncio.timeout(10):
        while state(pid) != "S":  # noqa: ASYNC110  # a process that falls asleep tells nobody
            await asyncio.sleep(0)


async def test_a_hundred_megabytes_pass_and_the_event_loop_goes_on() -> None:
    samples = np.zeros(50 * MIB, np.int16)
    data = encode(samples, SAMPLE_RATE_HZ, "WAV", "PCM_16")
    async with pool() as decoders:
        num_turns = 0

        async def count() -> None:
            nonlocal num_turns
            while True:
                num_turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        num_samples = 0
        async for block in decoders.decode(data):
            num_samples += len(block.pcm)
        counting.cancel()
    assert num_samples == len(samples)
    assert num_turns > 1000


@pytest.mark.parametrize(
    "error",
    [
        EmptyAudioError(),
        UndecodableAudioError("why"),
        UnsupportedFormatError("this", ("WAV", "MP3")),
        AudioTooLongError(12.5, 10.0),
        InvalidOptionError("channel", "why"),
    ],
)
def test_an_error_survives_the_way_to_the_parent(error: SpeechError) -> None:
    revived = refusal_from_json(refusal_to_json(error))
    assert type(revived) is type(error)
    assert revived.args == error.args
    assert str(revived) == str(error)


@pytest.mark.parametrize(
    "text", [b"", b"{}", b'["at_capacity", ["x", 1]]', b'["audio_too_long", []]', b"\xff", b"9"]
)
def test_nothing_else_is_taken_for_an_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        refusal_from_json(text)
