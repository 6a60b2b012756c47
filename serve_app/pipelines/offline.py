"""The story of a recording: blocks of audio in, segments in order and the transcript out.

Decoding, recognition and answering overlap: chunks go to the model while later blocks decode, and
segments leave as soon as all before them have left.
"""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from serve_app.audio.chunk import Chunker
from serve_app.audio.speech import is_silent
from serve_app.audio.waveform import SAMPLE_RATE_HZ, Block, Chunk
from serve_app.errors import UnsupportedTranslationError
from serve_app.models.protocols import (
    ChunkRecognizer,
    Recognition,
    RecognitionOptions,
    RecognitionRequest,
)
from serve_app.pipelines.budget import AudioBudget
from serve_app.transcript.joining.interleave import Interleaved
from serve_app.transcript.joining.merge import segments_of
from serve_app.transcript.joining.seams import joined
from serve_app.transcript.types import Hypothesis, Segment, StageTimes, Transcript

_SILENCE = Recognition(Hypothesis("", words=()), queue_s=0.0, model_s=0.0, batch_size=0)


_MIN_SHARE_S = 1.0
"""What a chunk counts of a recording's share, however short: so there are not too many."""


@dataclass(frozen=True, slots=True)
class ChunkedRecognition:
    """How one model wants its recordings."""

    model: str
    max_chunk_s: float
    max_chunks_in_flight: int
    """Of the longest; of short ones as many as weigh the same."""
    max_pause_s: float = float("inf")
    """A longer one ends a chunk."""
    hears_channels: bool = False
    """Whether each channel is heard for itself; its number is told then."""
    finds_language: bool = False
    """Whether the model tells what is spoken. The first chunk with a text then tells it for the
    whole recording, so that a short one behind it is not taken for another language."""
    translations: tuple[tuple[str, str], ...] = ()
    """The pairs (spoken, written) that the model translates."""


async def transcribe(
    blocks: AsyncIterator[Block],
    recognizer: ChunkRecognizer,
    options: RecognitionOptions,
    plan: ChunkedRecognition,
    budget: AudioBudget | None = None,
    share: AudioBudget | None = None,
    settled: Callable[[float], object] = lambda at_s: None,
) -> AsyncGenerator[Segment | Transcript, None]:
    """Yield the segments of a recording in order, and its `Transcript` last.

    Where blocks are of several channels, each is heard for itself and their segments are merged by
    time. Decoding waits while `share`, which is this recording's, or `budget`, which all recordings
    of a model have together, is spent. `settled` is told up to where, from the start, no more work
    is needed. Closing the generator cancels all that is under way.

    Raises:
        UnsupportedTranslationError: what is spoken cannot be translated into what is asked for.
        SpeechError: whatever decoding or recognition raise, at the place where it came up.
    """
    share = share or AudioBudget(plan.max_chunks_in_flight * plan.max_chunk_s)
    recording = _Recording(recognizer, options, plan, budget or AudioBudget(), share)
    feeding = asyncio.create_task(recording.feed(blocks))
    segments: list[Segment] = []
    try:
        async for segment in recording.segments(settled):
            segments.append(segment)
            yield segment
        await feeding
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        await recording.cancel()
    yield _whole(recording, segments, options, plan.model)


def _whole(
    recording: "_Recording", segments: list[Segment], options: RecognitionOptions, model: str
) -> Transcript:
    spoken = options.language
    written = options.target_language or spoken
    return Transcript(
        segments=tuple(segments),
        duration_s=max(recording.num_samples.values(), default=0) / SAMPLE_RATE_HZ,
        model=model,
        language=_common((segment.language for segment in segments), written),
        spoken_language=_common((segment.spoken_language for segment in segments), spoken),
        stage_times=recording.times,
    )


def _common(languages: Iterable[str | None], asked_for: str | None) -> str | None:
    """The one language of all, or what was asked for where nothing was said; None where some
    differ, or none is known."""
    found = set(languages) or {asked_for}
    return found.pop() if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class _Launched:
    """A chunk that is on its way, in the order of its channel."""

    chunk: Chunk
    share_s: float
    recognition: asyncio.Task[Recognition]


@dataclass(frozen=True, slots=True)
class _Settled:
    """All chunks of a channel that begin before this have been launched."""

    channel: int
    at_s: float


class _Recording:
    """What is under way for one recording, and what has come of it."""

    def __init__(
        self,
        recognizer: ChunkRecognizer,
        options: RecognitionOptions,
        plan: ChunkedRecognition,
        budget: AudioBudget,
        share: AudioBudget,
    ) -> None:
        self._name = uuid.uuid4().hex
        self._budget = budget
        self._share = share
        self._recognizer = recognizer
        self._options = options
        self._plan = plan
        self._finding_language = asyncio.Lock()
        self._is_language_found = bool(options.language) or not plan.finds_language
        self._in_order: asyncio.Queue[_Launched | _Settled | None] = asyncio.Queue()
        self._tasks: set[asyncio.Task[Recognition]] = set()
        self.num_samples: Counter[int] = Counter()
        """Of each channel."""
        self.times = StageTimes()

    async def feed(self, blocks: AsyncIterator[Block]) -> None:
        """Decode, cut, and hand each chunk to the model as soon as it is whole."""
        chunkers: dict[int, Chunker] = {}
        try:
            asked = time.perf_counter()
            async for block in blocks:
                self._add(decode_s=time.perf_counter() - asked)
                self.num_samples[block.channel] += len(block.pcm)
                chunker = chunkers.get(block.channel)
                if chunker is None:
                    chunker = chunkers[block.channel] = self._chunker(block.channel)
                for chunk in chunker.push(block):
                    await self._launch(chunk)
                self._in_order.put_nowait(_Settled(block.channel, chunker.settled_s))
                asked = time.perf_counter()
            self._add(decode_s=time.perf_counter() - asked)
            for channel, chunker in chunkers.items():
                for chunk in chunker.flush():
                    await self._launch(chunk)
                self._in_order.put_nowait(_Settled(channel, float("inf")))
        finally:
            self._in_order.put_nowait(None)

    def _chunker(self, channel: int) -> Chunker:
        return Chunker(
            max_chunk_s=self._plan.max_chunk_s,
            max_pause_s=self._plan.max_pause_s,
            channel=channel,
        )

    async def segments(self, settled: Callable[[float], object]) -> AsyncIterator[Segment]:
        """What was said, in the order in which it was."""
        joints, merged = _Joints(self._plan.hears_channels), Interleaved()
        while (item := await self._in_order.get()) is not None:
            if isinstance(item, _Launched):
                recognition = await item.recognition
                self._tasks.discard(item.recognition)
                self._add(queue_s=recognition.queue_s, model_s=recognition.model_s)
                for segment in joints.pass_on(item.chunk, recognition.hypothesis):
                    merged.push(segment, item.chunk.channel)
            else:
                at_s = min(item.at_s, joints.held_from_s(item.channel))
                merged.settle(item.channel, at_s)
                settled(min(merged.settled_s, self.num_samples[item.channel] / SAMPLE_RATE_HZ))
            for segment in merged.pop():
                yield segment
            if isinstance(item, _Launched):
                self._share.release(item.share_s)

    async def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _launch(self, chunk: Chunk) -> None:
        share_s = max(chunk.duration_s, _MIN_SHARE_S)
        await self._share.acquire(share_s)
        await self._budget.acquire(chunk.duration_s)
        task = asyncio.create_task(self._recognize(chunk))
        task.add_done_callback(lambda _: self._budget.release(chunk.duration_s))
        self._tasks.add(task)
        self._in_order.put_nowait(_Launched(chunk, share_s, task))

    async def _recognize(self, chunk: Chunk) -> Recognition:
        if is_silent(chunk):
            return _SILENCE
        if self._is_language_found:
            return await self._ask(chunk)
        async with self._finding_language:
            if not self._is_language_found:
                recognition = await self._ask(chunk)
                self._learn_language(recognition.hypothesis)
                return recognition
        return await self._ask(chunk)

    async def _ask(self, chunk: Chunk) -> Recognition:
        request = RecognitionRequest(chunk, self._options, self._name)
        return await self._recognizer.recognize(request)

    def _learn_language(self, found: Hypothesis) -> None:
        """
        Raises:
            UnsupportedTranslationError: see `transcribe`.
        """
        if not found.text:
            return
        target = self._options.target_for(found.spoken_language)
        if target is not None and found.language != target:
            raise UnsupportedTranslationError(
                found.spoken_language, target, self._plan.model, self._plan.translations
            )
        self._options = replace(
            self._options,
            language=found.spoken_language,
            target_language=target,
            among=(),
            crosses=False,
        )
        self._is_language_found = True

    def _add(self, *, decode_s: float = 0.0, queue_s: float = 0.0, model_s: float = 0.0) -> None:
        was = self.times
        self.times = StageTimes(
            was.decode_s + decode_s, was.queue_s + queue_s, was.model_s + model_s
        )


class _Joints:
    """Holds the text of a chunk back whose end the next one shares, until that one is heard."""

    def __init__(self, tells_channels: bool) -> None:
        self._tells_channels = tells_channels
        self._held: dict[int, tuple[Chunk, Hypothesis]] = {}

    def held_from_s(self, channel: int) -> float:
        """Where what is held back of a channel begins."""
        held = self._held.get(channel)
        return float("inf") if held is None else held[0].start_s

    def pass_on(self, chunk: Chunk, hypothesis: Hypothesis) -> Iterator[Segment]:
        """What can be said now that `chunk` is heard."""
        held = self._held.pop(chunk.channel, None)
        if held is not None:
            before, said = held
            said, hypothesis = joined(
                said,
                hypothesis,
                shift_s=chunk.start_s - before.start_s,
                overlap_s=chunk.overlap_before_s,
            )
            yield from self._segments(before, said)
        if chunk.overlap_behind_s:
            self._held[chunk.channel] = chunk, hypothesis
        else:
            yield from self._segments(chunk, hypothesis)

    def _segments(self, chunk: Chunk, hypothesis: Hypothesis) -> tuple[Segment, ...]:
        return segments_of(
            hypothesis,
            chunk_start_s=chunk.start_s,
            chunk_duration_s=chunk.duration_s,
            channel=chunk.channel if self._tells_channels else None,
        )
