"""The story of a recording: blocks of audio in, segments in order and the transcript out.

Decoding, recognition and answering overlap: chunks go to the model while later blocks decode, and
segments leave as soon as all before them have left.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import dataclass, replace

from serve_app.audio.chunk import Chunker
from serve_app.audio.speech import is_silent, without_silence
from serve_app.audio.waveform import SAMPLE_RATE_HZ, Chunk, Pcm
from serve_app.errors import UnsupportedTranslationError
from serve_app.models.protocols import (
    ChunkRecognizer,
    Recognition,
    RecognitionOptions,
    RecognitionRequest,
)
from serve_app.pipelines.budget import AudioBudget
from serve_app.transcript.merge import segments_of
from serve_app.transcript.types import Hypothesis, Segment, StageTimes, Transcript

_SILENCE = Recognition(Hypothesis("", words=()), queue_s=0.0, model_s=0.0, batch_size=0)


@dataclass(frozen=True, slots=True)
class ChunkedRecognition:
    """How one model wants its recordings."""

    model: str
    max_chunk_s: float
    max_chunks_in_flight: int
    finds_language: bool = False
    """Whether the model tells what is spoken. The first chunk with a text then tells it for the
    whole recording, so that a short one behind it is not taken for another language."""
    translations: tuple[tuple[str, str], ...] = ()
    """The pairs (spoken, written) that the model translates."""


async def transcribe(
    blocks: AsyncIterator[Pcm],
    recognizer: ChunkRecognizer,
    options: RecognitionOptions,
    plan: ChunkedRecognition,
    budget: AudioBudget | None = None,
) -> AsyncGenerator[Segment | Transcript, None]:
    """Yield the segments of a recording in order, and its `Transcript` last.

    Decoding waits while `budget`, which all recordings of a model share, is spent. Closing the
    generator cancels all that it has under way.

    Raises:
        UnsupportedTranslationError: what is spoken cannot be translated into what is asked for.
        SpeechError: whatever decoding or recognition raise, at the place where it came up.
    """
    recording = _Recording(recognizer, options, plan, budget or AudioBudget())
    feeding = asyncio.create_task(recording.feed(blocks))
    segments: list[Segment] = []
    try:
        async for chunk, recognition in recording.recognized():
            for segment in segments_of(
                recognition.hypothesis,
                chunk_start_s=chunk.start_s,
                chunk_duration_s=chunk.duration_s,
            ):
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
        duration_s=recording.num_samples / SAMPLE_RATE_HZ,
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


class _Recording:
    """What is under way for one recording: at most `max_chunks_in_flight` chunks."""

    def __init__(
        self,
        recognizer: ChunkRecognizer,
        options: RecognitionOptions,
        plan: ChunkedRecognition,
        budget: AudioBudget,
    ) -> None:
        self._name = uuid.uuid4().hex
        self._budget = budget
        self._recognizer = recognizer
        self._options = options
        self._plan = plan
        self._finding_language = asyncio.Lock()
        self._is_language_found = bool(options.language) or not plan.finds_language
        self._places = asyncio.Semaphore(plan.max_chunks_in_flight)
        self._in_order: asyncio.Queue[tuple[Chunk, asyncio.Task[Recognition]] | None]
        self._in_order = asyncio.Queue()
        self._tasks: set[asyncio.Task[Recognition]] = set()
        self.num_samples = 0
        self.times = StageTimes()

    async def feed(self, blocks: AsyncIterator[Pcm]) -> None:
        """Decode, cut, and hand each chunk to the model as soon as it is whole."""
        chunker = Chunker(max_chunk_s=self._plan.max_chunk_s)
        try:
            asked = time.perf_counter()
            async for block in blocks:
                self._add(decode_s=time.perf_counter() - asked)
                self.num_samples += len(block)
                for chunk in chunker.push(block):
                    await self._launch(without_silence(chunk))
                asked = time.perf_counter()
            self._add(decode_s=time.perf_counter() - asked)
            for chunk in chunker.flush():
                await self._launch(without_silence(chunk))
        finally:
            self._in_order.put_nowait(None)

    async def recognized(self) -> AsyncIterator[tuple[Chunk, Recognition]]:
        """Each chunk with its recognition, in the order of the recording."""
        while (launched := await self._in_order.get()) is not None:
            chunk, task = launched
            recognition = await task
            self._tasks.discard(task)
            self._add(queue_s=recognition.queue_s, model_s=recognition.model_s)
            yield chunk, recognition
            self._places.release()

    async def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _launch(self, chunk: Chunk) -> None:
        await self._places.acquire()
        await self._budget.acquire(chunk.duration_s)
        task = asyncio.create_task(self._recognize(chunk))
        task.add_done_callback(lambda _: self._budget.release(chunk.duration_s))
        self._tasks.add(task)
        self._in_order.put_nowait((chunk, task))

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
        target = self._options.target_language
        if target is not None and found.language != target:
            raise UnsupportedTranslationError(
                found.spoken_language, target, self._plan.model, self._plan.translations
            )
        self._options = replace(self._options, language=found.spoken_language)
        self._is_language_found = True

    def _add(self, *, decode_s: float = 0.0, queue_s: float = 0.0, model_s: float = 0.0) -> None:
        was = self.times
        self.times = StageTimes(
            was.decode_s + decode_s, was.queue_s + queue_s, was.model_s + model_s
        )
