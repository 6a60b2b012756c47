"""A recording's story: order, overlap, bounds, and what happens when something breaks."""

import asyncio
import math
import random
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import numpy as np
import pytest

from serve_app.audio.waveform import SAMPLE_RATE_HZ, Block, Pcm
from serve_app.errors import EngineError, UndecodableAudioError
from serve_app.models.protocols import Recognition, RecognitionOptions, RecognitionRequest
from serve_app.pipelines.offline import ChunkedRecognition, transcribe
from serve_app.transcript.types import Hypothesis, Segment, Transcript, Word
from tests.audio.blocks import told_blocks

OPTIONS = RecognitionOptions()
PLAN = ChunkedRecognition("model", max_chunk_s=2.0, max_chunks_in_flight=3)


class HeldRecognizer:
    """Names each chunk by when it starts; holds back those that the test says."""

    def __init__(self) -> None:
        self.held: dict[int, asyncio.Event] = {}
        self.asked: asyncio.Queue[int] = asyncio.Queue()
        self.num_running = 0
        self.most_running = 0

    async def recognize(self, request: RecognitionRequest) -> Recognition:
        index = self.asked.qsize()
        self.asked.put_nowait(index)
        self.num_running += 1
        self.most_running = max(self.most_running, self.num_running)
        try:
            if index in self.held:
                await self.held[index].wait()
            await asyncio.sleep(0)
        finally:
            self.num_running -= 1
        return Recognition(Hypothesis(f"at{request.chunk.start_s:.2f}"), 0.5, 0.25, 1)


def noise(duration_s: float, seed: int = 1) -> Pcm:
    rng = np.random.default_rng(seed)
    return rng.integers(-9000, 9000, round(duration_s * SAMPLE_RATE_HZ), dtype=np.int16)


def utterances(count: int) -> Pcm:
    """Each of a second and a half, with as much silence behind it."""
    said = [np.concatenate([noise(1.5, seed), noise(1.5, seed) // 9000]) for seed in range(count)]
    return np.concatenate(said)


async def blocks_of(pcm: Pcm, then: Exception | None = None) -> AsyncIterator[Block]:
    for block in told_blocks(pcm):
        yield block
    if then is not None:
        raise then


async def run(pcm: Pcm, recognizer: HeldRecognizer) -> tuple[list[Segment], Transcript]:
    parts = [part async for part in transcribe(blocks_of(pcm), recognizer, OPTIONS, PLAN)]
    *segments, transcript = parts
    assert isinstance(transcript, Transcript)
    return [part for part in segments if isinstance(part, Segment)], transcript


async def drain(parts: AsyncIterator[Segment | Transcript]) -> None:
    async for _ in parts:
        pass


async def test_segments_come_in_order_and_the_transcript_holds_them_all() -> None:
    for seed in range(30):
        duration_s = random.Random(seed).uniform(0.5, 20)
        segments, transcript = await run(noise(duration_s, seed), HeldRecognizer())
        starts = [float(segment.text[2:]) for segment in segments]
        assert starts == sorted(starts)
        assert starts[0] == 0
        assert tuple(segments) == transcript.segments
        assert transcript.duration_s == pytest.approx(duration_s, abs=1e-4)


async def test_the_first_segment_leaves_while_a_later_chunk_is_held_back() -> None:
    recognizer = HeldRecognizer()
    release = recognizer.held[2] = asyncio.Event()
    async with aclosing(transcribe(blocks_of(noise(9)), recognizer, OPTIONS, PLAN)) as parts:
        first = await asyncio.wait_for(anext(parts), 5)
        assert isinstance(first, Segment)
        assert not release.is_set()
        release.set()
        rest = [part async for part in parts]
    assert isinstance(rest[-1], Transcript)


async def test_no_more_chunks_are_under_way_than_the_plan_allows() -> None:
    recognizer = HeldRecognizer()
    await run(noise(60), recognizer)
    assert recognizer.asked.qsize() >= 30
    most_s = PLAN.max_chunks_in_flight * PLAN.max_chunk_s
    assert recognizer.most_running <= most_s  # none of them counts less than a second


async def test_silence_asks_no_model_and_gives_no_text() -> None:
    recognizer = HeldRecognizer()
    segments, transcript = await run(np.zeros(5 * SAMPLE_RATE_HZ, np.int16), recognizer)
    assert recognizer.asked.empty()
    assert segments == []
    assert transcript.text == ""
    assert transcript.duration_s == 5


async def test_the_times_of_all_chunks_add_up() -> None:
    _, transcript = await run(noise(9), recognizer := HeldRecognizer())
    num_chunks = recognizer.asked.qsize()
    assert transcript.stage_times.queue_s == pytest.approx(0.5 * num_chunks)
    assert transcript.stage_times.model_s == pytest.approx(0.25 * num_chunks)


async def test_closing_early_cancels_what_is_under_way() -> None:
    recognizer = HeldRecognizer()
    for index in range(1, 20):
        recognizer.held[index] = asyncio.Event()
    async with aclosing(transcribe(blocks_of(utterances(20)), recognizer, OPTIONS, PLAN)) as parts:
        await asyncio.wait_for(anext(parts), 5)
    assert recognizer.num_running == 0


async def test_a_recording_that_breaks_off_gives_what_came_before_and_then_the_error() -> None:
    broken = blocks_of(noise(5), UndecodableAudioError("it breaks off"))
    async with aclosing(transcribe(broken, HeldRecognizer(), OPTIONS, PLAN)) as parts:
        assert isinstance(await anext(parts), Segment)
        with pytest.raises(UndecodableAudioError):
            await drain(parts)


async def test_a_model_that_fails_ends_the_recording_and_its_other_chunks() -> None:
    class Failing(HeldRecognizer):
        async def recognize(self, request: RecognitionRequest) -> Recognition:
            if request.chunk.start_s == 0:
                raise EngineError("model", "broken")
            return await super().recognize(request)

    recognizer = Failing()
    recognizer.held[0] = asyncio.Event()
    with pytest.raises(EngineError):
        await drain(transcribe(blocks_of(noise(9)), recognizer, OPTIONS, PLAN))
    assert recognizer.num_running == 0


async def test_where_nothing_is_said_the_languages_are_those_asked_for() -> None:
    options = RecognitionOptions(language="de", target_language="en")
    silence = np.zeros(SAMPLE_RATE_HZ, dtype=np.int16)
    parts = [part async for part in transcribe(blocks_of(silence), HeldRecognizer(), options, PLAN)]
    (transcript,) = parts
    assert isinstance(transcript, Transcript)
    assert (transcript.spoken_language, transcript.language) == ("de", "en")


async def test_channels_are_heard_each_for_itself_and_merged_by_time() -> None:
    """Random utterances in three channels, blocks of the channels in turn."""
    for seed in range(40):
        rng = random.Random(seed)
        channels = []
        for number in range(3):
            parts = [np.zeros(int(rng.uniform(0, 5) * SAMPLE_RATE_HZ), np.int16)]
            for _ in range(rng.randint(0, 6)):
                parts.append(noise(rng.uniform(0.3, 1.8), number))
                parts.append(np.zeros(int(rng.uniform(0.2, 4) * SAMPLE_RATE_HZ), np.int16))
            channels.append(np.concatenate(parts))
        longest = max(map(len, channels))
        channels = [np.pad(each, (0, longest - len(each))) for each in channels]

        async def blocks(channels: list[Pcm] = channels) -> AsyncIterator[Block]:
            told = [told_blocks(pcm, number) for number, pcm in enumerate(channels)]
            for in_turn in zip(*told, strict=True):
                for block in in_turn:
                    yield block

        plan = replace(PLAN, hears_channels=True, max_pause_s=0.5)
        parts_ = [part async for part in transcribe(blocks(), HeldRecognizer(), OPTIONS, plan)]
        *said, transcript = parts_
        assert isinstance(transcript, Transcript)
        assert tuple(said) == transcript.segments
        starts = [segment.start_s for segment in transcript.segments]
        assert starts == sorted(starts)
        for number, pcm in enumerate(channels):
            of_it = [s for s in transcript.segments if s.channel == number]
            covered = np.zeros(longest, bool)
            for segment in of_it:
                first, end = (round(t * SAMPLE_RATE_HZ) for t in (segment.start_s, segment.end_s))
                covered[first:end] = True
            assert covered[np.abs(pcm) > 500].all()


async def test_settled_grows_up_to_the_whole_recording() -> None:
    told: list[float] = []
    parts = transcribe(
        blocks_of(utterances(7)), HeldRecognizer(), OPTIONS, PLAN, settled=told.append
    )
    await drain(parts)
    assert told == sorted(told)
    assert 1.0 < told[len(told) // 2] < 20.0
    assert told[-1] == 21.0


async def test_words_that_two_chunks_share_are_told_once() -> None:
    """Speech without a pause: the model names each half second by its number, exactly."""

    class Clock:
        async def recognize(self, request: RecognitionRequest) -> Recognition:
            chunk = request.chunk
            first = math.ceil(chunk.start_s / 0.5)
            end = math.floor((chunk.start_s + chunk.duration_s) / 0.5)
            words = tuple(
                Word(f"w{n}", n * 0.5 - chunk.start_s, n * 0.5 + 0.5 - chunk.start_s)
                for n in range(first, end)
            )
            text = " ".join(word.text for word in words)
            return Recognition(Hypothesis(text, words=words), 0.5, 0.25, 1)

    for seed in range(20):
        duration_s = random.Random(seed).randint(10, 60)
        plan = replace(PLAN, max_chunk_s=7.0)
        blocks = blocks_of(noise(duration_s, seed))
        *_, transcript = [part async for part in transcribe(blocks, Clock(), OPTIONS, plan)]
        assert isinstance(transcript, Transcript)
        assert transcript.text.split() == [f"w{n}" for n in range(2 * duration_s)]
