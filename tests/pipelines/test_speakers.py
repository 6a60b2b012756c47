"""A recording with its speakers: how far its readers may be apart, and who hears of a failure."""

import asyncio
import random
from collections.abc import AsyncIterator

import numpy as np
import pytest

from serve_app.audio.waveform import SAMPLE_RATE_HZ, WINDOW, Block
from serve_app.errors import EngineError, UndecodableAudioError
from serve_app.models.protocols import Recognition, RecognitionOptions, RecognitionRequest
from serve_app.pipelines.offline import ChunkedRecognition, transcribe
from serve_app.pipelines.speakers import MAX_AHEAD_S, Fork, Parts, Transcribe, tell_apart
from serve_app.transcript.joining.speakers import TurnRules
from serve_app.transcript.types import Hypothesis, Segment, Transcript, Word

OPTIONS = RecognitionOptions()
RULES = TurnRules(min_turn_s=1.0, min_pause_s=1.0)
WAITING = 30
BLOCK_SAMPLES = 60 * WINDOW
BLOCK_S = BLOCK_SAMPLES / SAMPLE_RATE_HZ


class SlowSpeakers:
    """Two who take turns of seven seconds; each frame is certain only `lag_s` later."""

    num_speakers = 2
    frame_s = 0.08

    def __init__(self, lag_s: float = 0.0, loudest: int = 255) -> None:
        self.lag_s, self.loudest = lag_s, loudest
        self.heard_s = 0.0
        self.num_told = 0
        self.fails_after_s = float("inf")

    async def hear(self, pcm: bytes, *, is_last: bool) -> bytes:
        await asyncio.sleep(0)
        self.heard_s += len(pcm) / 2 / SAMPLE_RATE_HZ
        if self.heard_s > self.fails_after_s:
            raise EngineError("speakers", "broken")
        until_s = self.heard_s if is_last else max(0.0, self.heard_s - self.lag_s)
        frames = range(self.num_told, int(until_s / self.frame_s))
        self.num_told = max(self.num_told, frames.stop)
        return b"".join(
            bytes((0, self.loudest) if frame * self.frame_s // 7 % 2 else (self.loudest, 0))
            for frame in frames
        )


class EverySecond:
    """A recogniser that hears a short word each second, where its chunk has all of it."""

    async def recognize(self, request: RecognitionRequest) -> Recognition:
        await asyncio.sleep(0)
        start_s, duration_s = request.chunk.start_s, request.chunk.duration_s
        words = tuple(
            Word(f"{second}", second + 0.1 - start_s, second + 0.4 - start_s)
            for second in range(int(start_s), int(start_s + duration_s) + 1)
            if start_s <= second + 0.1 and second + 0.4 <= start_s + duration_s
        )
        text = " ".join(word.text for word in words)
        return Recognition(Hypothesis(text, words), 0.0, 0.0, 1)


async def blocks_of(
    duration_s: float, read: list[float] | None = None, then: Exception | None = None
) -> AsyncIterator[Block]:
    rng = np.random.default_rng(2)
    for index in range(round(duration_s / BLOCK_S)):
        if read is not None:
            read.append(index * BLOCK_S)
        pcm = rng.integers(-9000, 9000, BLOCK_SAMPLES, dtype=np.int16)
        yield Block(pcm, bytes([1]) * (BLOCK_SAMPLES // WINDOW))
    if then is not None:
        raise then


def transcribed(plan: ChunkedRecognition) -> Transcribe:
    def run(blocks: AsyncIterator[Block]) -> Parts:
        return transcribe(blocks, EverySecond(), OPTIONS, plan)

    return run


async def run(
    duration_s: float, speakers: SlowSpeakers, plan: ChunkedRecognition
) -> tuple[list[Segment], Transcript]:
    async with asyncio.timeout(WAITING):
        parts = tell_apart(blocks_of(duration_s), transcribed(plan), speakers, RULES)
        *segments, transcript = [part async for part in parts]
    assert isinstance(transcript, Transcript)
    return [part for part in segments if isinstance(part, Segment)], transcript


async def drain(parts: Parts) -> None:
    async for _ in parts:
        pass


async def test_segments_are_cut_where_the_speaker_changes() -> None:
    plan = ChunkedRecognition("model", 30.0, 4)
    segments, transcript = await run(27.0, SlowSpeakers(), plan)
    assert [(each.text, each.speaker) for each in segments] == [
        ("0 1 2 3 4 5 6", "A"),
        ("7 8 9 10 11 12 13", "B"),
        ("14 15 16 17 18 19 20", "A"),
        ("21 22 23 24 25 26", "B"),
    ]
    assert transcript.segments == tuple(segments)
    assert transcript.duration_s == pytest.approx(27.0, abs=BLOCK_S)


@pytest.mark.parametrize("max_chunks_in_flight", [1, 3])
@pytest.mark.parametrize("max_chunk_s", [2.0, 30.0, 60.0])
async def test_the_slowest_model_that_may_be_holds_nobody_up_for_ever(
    max_chunk_s: float, max_chunks_in_flight: int
) -> None:
    plan = ChunkedRecognition("model", max_chunk_s, max_chunks_in_flight)
    segments, transcript = await run(400.0, SlowSpeakers(lag_s=40.0), plan)
    unsaid, _ = await run(400.0, SlowSpeakers(lag_s=40.0, loudest=0), plan)
    assert {segment.speaker for segment in unsaid} == {None}
    quick, same = await run(400.0, SlowSpeakers(), plan)
    assert segments == quick
    assert transcript.text == same.text
    assert {segment.speaker for segment in segments} == {"A", "B"}


async def test_a_segment_leaves_before_the_recording_has_been_read() -> None:
    read: list[float] = []
    plan = ChunkedRecognition("model", 10.0, 1)
    parts = tell_apart(blocks_of(600.0, read), transcribed(plan), SlowSpeakers(15.0), RULES)
    async with asyncio.timeout(WAITING):
        first = await anext(parts)
        assert isinstance(first, Segment)
        assert first.speaker == "A"
        assert read[-1] < 10.0 + 2 * MAX_AHEAD_S
        await parts.aclose()


async def read_at_random(fork: Fork, side: int, read: list[float], rng: random.Random) -> int:
    checksum = 0
    async for block in fork.side(side):
        read[side] += len(block.pcm) / SAMPLE_RATE_HZ
        checksum += int(block.pcm.astype(int).sum())
        assert abs(read[0] - read[1]) <= 20.0 + BLOCK_S
        for _ in range(rng.choice((0, 0, 0, 1, 7, 60))):
            await asyncio.sleep(0)
    return checksum


async def test_neither_reader_is_more_than_the_bound_ahead() -> None:
    for seed in range(30):
        rng = random.Random(seed)
        fork = Fork(blocks_of(300.0), max_ahead_s=20.0)
        read = [0.0, 0.0]

        async with asyncio.timeout(WAITING):
            one, other = await asyncio.gather(
                *(read_at_random(fork, side, read, rng) for side in (0, 1))
            )
        assert one == other
        assert read[0] == read[1] == pytest.approx(300.0, abs=BLOCK_S)


async def test_a_diarizer_that_fails_ends_the_recording() -> None:
    speakers = SlowSpeakers()
    speakers.fails_after_s = 45.0
    with pytest.raises(EngineError, match="speakers"):
        await run(400.0, speakers, ChunkedRecognition("model", 10.0, 2))


async def test_a_recording_that_cannot_be_decoded_fails_as_it_would_alone() -> None:
    plan = ChunkedRecognition("model", 10.0, 2)
    blocks = blocks_of(50.0, then=UndecodableAudioError("torn"))
    parts = tell_apart(blocks, transcribed(plan), SlowSpeakers(), RULES)
    async with asyncio.timeout(WAITING):
        assert isinstance(await anext(parts), Segment)
        with pytest.raises(UndecodableAudioError):
            await drain(parts)


async def test_who_leaves_stops_both_readers() -> None:
    speakers = SlowSpeakers()
    parts = tell_apart(
        blocks_of(4000.0), transcribed(ChunkedRecognition("model", 10.0, 2)), speakers, RULES
    )
    async with asyncio.timeout(WAITING):
        await anext(parts)
        await parts.aclose()
    heard_s = speakers.heard_s
    await asyncio.sleep(0)
    assert speakers.heard_s == heard_s
    assert len(asyncio.all_tasks()) == 1
