"""The deployment in which the story of a recording runs: decoding, chunks, recognition, merging."""

import asyncio
import io
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from serve_app.allocator import return_large_blocks
from serve_app.audio.sandbox import DecoderPool
from serve_app.audio.waveform import SAMPLE_RATE_HZ, Block
from serve_app.config import DiarizationConfig, ModelConfig, PreprocessorConfig
from serve_app.deployments.demand.ahead import Ahead
from serve_app.deployments.demand.telling import Teller, TellingRecognizer
from serve_app.deployments.demand.told import full_batches
from serve_app.deployments.demand.workload import Underway, Workload
from serve_app.deployments.diarization.client import ServeDiarizer
from serve_app.deployments.routing import Handle, ServeRecognizer
from serve_app.deployments.scaling.sleep import RollCall
from serve_app.deployments.watching.recording import RecordingWatch
from serve_app.errors import DeadlineExceededError
from serve_app.jobs.audio import fetch
from serve_app.models.protocols import ModelInfo
from serve_app.pipelines import offline, speakers
from serve_app.pipelines.length import expected_audio_s
from serve_app.pipelines.load import Load
from serve_app.pipelines.progress import Told
from serve_app.pipelines.transcription import Progress, StoredAudio, TranscriptionRequest
from serve_app.pipelines.wording import Wordsmith
from serve_app.telemetry import replica
from serve_app.telemetry.metrics import DecoderMetrics, PreprocessorMetrics
from serve_app.transcript.joining.speakers import TurnRules
from serve_app.transcript.types import Segment, Transcript

Watching: TypeAlias = Underway | Told | RecordingWatch


class Preprocessor:
    """Holds the decoders, and a handle to every model."""

    _pulse: replica.Pulse | None = None
    """None until its decoders start."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self,
        config: PreprocessorConfig,
        max_audio_s: float,
        max_stored_audio_s: float,
        models: tuple[ModelConfig, ...],
        handles: dict[str, Handle],
        diarizers: tuple[ModelConfig, ...] = (),
    ) -> None:
        replica.begin("Preprocessor")
        return_large_blocks()
        self._models = {model.name: model for model in models}
        self._diarizers = {model.name: model for model in diarizers}
        self._handles = handles
        self._roll_call = RollCall((*self._models, *self._diarizers), handles)
        self._max_chunks_in_flight = config.max_chunks_in_flight
        self._max_audio_s = max_audio_s
        self._max_stored_audio_s = max_stored_audio_s
        self._name = uuid.uuid4().hex
        self._workloads = {model.name: Workload(model.name, model.batch) for model in models}
        self._ahead = {model.name: _ahead(config, model) for model in models}
        self._tellers = {
            name: Teller(self._name, workload, self._ahead[name])
            for name, workload in self._workloads.items()
        }
        self._places_for_long = asyncio.Semaphore(max(1, config.num_decoders - 1))
        self._places_for_jobs = asyncio.Semaphore(max(1, config.num_decoders - 2))
        self._wordsmith = Wordsmith.of(config.profanity_file)
        self._metrics, self._decoder_metrics = PreprocessorMetrics(), DecoderMetrics()
        self._decoders = DecoderPool(
            num_decoders=config.num_decoders,
            max_waiting=config.max_waiting,
            timeout_s=config.decode_timeout_s,
            memory_bytes=config.decoder_memory_bytes,
            max_audio_s=max_audio_s,
        )
        self._pulse = replica.Pulse("Preprocessor", self._beat)
        await self._decoders.start()

    async def transcribe(self, upload: bytes, request: TranscriptionRequest) -> Transcript:
        """See `Transcriber.transcribe`."""
        async with aclosing(self.stream(upload, request)) as parts:
            async for part in parts:
                if isinstance(part, Transcript):
                    return part
        raise AssertionError("a pipeline ends in a transcript or in an error")

    async def stream(
        self, upload: bytes, request: TranscriptionRequest
    ) -> AsyncGenerator[Segment | Transcript, None]:
        """See `Transcriber.stream`."""
        deadline = asyncio.get_running_loop().time() + request.timeout_s
        with RecordingWatch(self._metrics, request.model, request.trace) as watch:
            async with aclosing(self._parts(upload, request, watch)) as parts:
                while True:
                    try:
                        async with asyncio.timeout_at(deadline):
                            part = await anext(parts)
                    except StopAsyncIteration:
                        return
                    except TimeoutError as error:
                        raise DeadlineExceededError(request.timeout_s) from error
                    if isinstance(part, Transcript):
                        watch.transcribed(part)
                    yield part

    async def _parts(
        self, upload: bytes, request: TranscriptionRequest, watch: RecordingWatch
    ) -> AsyncGenerator[Segment | Transcript, None]:
        expected_s = expected_audio_s(upload, longest_s=self._max_audio_s)
        model = self._models[request.model]
        with self._workloads[model.name].recording(expected_s) as underway:
            async with (
                self._place(model, expected_s),
                aclosing(
                    self._decoders.decode(
                        upload, channel=request.channel, unheard_s=model.max_chunk_s
                    )
                ) as blocks,
                aclosing(self._recognized(blocks, request, underway, watch)) as parts,
            ):
                async for part in parts:
                    yield part

    async def stream_stored(
        self, audio: StoredAudio, request: TranscriptionRequest, expected_s: float
    ) -> AsyncGenerator[Progress | Transcript, None]:
        """See `StoredTranscriber.stream_stored`. It leaves a decoder to those who wait."""
        model, told = self._models[request.model], Told(expected_s)
        # Nobody waits for what a job has before it, only for what it has under way.
        with (
            RecordingWatch(self._metrics, model.name, request.trace) as watch,
            self._workloads[model.name].recording(0.0) as underway,
        ):
            async with (
                self._places_for_jobs,
                self._places_for_long,
                aclosing(
                    self._decoders.decode_file(
                        partial(_copied, audio),
                        channel=request.channel,
                        max_audio_s=self._max_stored_audio_s,
                        unheard_s=model.max_chunk_s,
                    )
                ) as blocks,
                aclosing(self._recognized(blocks, request, underway, watch, told)) as parts,
                aclosing(told.instead_of_segments(parts)) as told_parts,
            ):
                yield told.progress  # it has had its turn
                async for part in told_parts:
                    if isinstance(part, Transcript):
                        watch.transcribed(part)
                    yield part

    async def _recognized(
        self,
        blocks: AsyncIterator[Block],
        request: TranscriptionRequest,
        underway: Underway,
        watch: RecordingWatch,
        told: Told | None = None,
    ) -> AsyncGenerator[Segment | Transcript, None]:
        model, ahead = self._models[request.model], self._ahead[request.model]
        watching: list[Watching] = [underway, watch, *([told] if told else [])]
        with ahead.share() as share:
            underway.is_held_back = lambda: share.is_waited_for
            recognizer = TellingRecognizer(
                self._recognizer(model.name, waits=told is not None),
                underway, ahead, self._tellers[model.name], watch.heard,
            )  # fmt: skip  # what it is told, in the order of the telling

            def recognized(heard: AsyncIterator[Block]) -> speakers.Parts:
                return offline.transcribe(
                    heard,
                    recognizer,
                    request.options,
                    self._plan(model, request),
                    ahead.budget,
                    share,
                    lambda at_s: [each.settled(at_s) for each in watching],
                )

            async with (
                self._speakers(request.diarizer) as with_speakers,
                aclosing(with_speakers(_counted(blocks, watching), recognized)) as parts,
            ):
                worded: list[Segment] = []
                async for part in parts:
                    if isinstance(part, Transcript):
                        yield replace(part, segments=tuple(worded))
                        return
                    worded.append(self._wordsmith.worded(part, request.wording))
                    yield worded[-1]

    @asynccontextmanager
    async def _speakers(self, diarizer: str | None) -> AsyncIterator[speakers.Telling]:
        """What gives the segments of a recording to its speakers, where that is asked for."""
        if diarizer is None:
            yield speakers.tell_nobody
            return
        found = self._diarizers[diarizer].diarization or DiarizationConfig()
        rules = TurnRules(found.onset, found.offset, found.min_turn_s, found.min_pause_s)
        async with ServeDiarizer(diarizer, self._handles[diarizer]).listen() as hearing:
            yield partial(speakers.tell_apart, diarizer=hearing, rules=rules)

    def _plan(
        self, model: ModelConfig, request: TranscriptionRequest
    ) -> offline.ChunkedRecognition:
        return offline.ChunkedRecognition(
            model.name,
            model.max_chunk_s,
            self._max_chunks_in_flight,
            max_pause_s=model.max_pause_s,
            hears_channels=request.channel == "split",
            finds_language=model.finds_language,
            translations=model.translations(),
        )

    def _place(self, model: ModelConfig, expected_s: float) -> AbstractAsyncContextManager[object]:
        """What has more chunks than may be in flight holds its decoder for as long as the model,
        or a slow reader, takes. Such recordings leave one decoder to the short ones."""
        is_long = expected_s > self._max_chunks_in_flight * model.max_chunk_s
        return self._places_for_long if is_long else nullcontext()

    async def load(self) -> Load:
        """What is under way here: see `Load`."""
        return Load(self._name, tuple(each.load() for each in self._workloads.values()))

    async def models(self) -> list[ModelInfo]:
        """What the models that answer now, or sleep, can do, in the order of the configuration."""
        return await self._roll_call.infos()

    async def __del__(self) -> None:
        if self._pulse is None:
            return
        try:
            await self._decoders.close()
        finally:
            await self._pulse.close()

    def _recognizer(self, model: str, *, waits: bool) -> ServeRecognizer:
        def lost() -> None:
            self._metrics.retries.inc(tags={"model": model})
            self._ahead[model].lost()

        return ServeRecognizer(model, self._handles[model], lost, waits=waits)

    def _beat(self) -> None:
        for name, workload in self._workloads.items():
            handed = self._ahead[name].handed
            load = workload.load()
            self._metrics.tell_work(
                name,
                num_recordings=load.num_recordings,
                remaining_s=load.remaining_audio_s,
                num_held_back=handed.num_waiting,
                held_back_s=handed.waiting_s,
            )
        self._decoder_metrics.tell(
            num=len(self._decoders.pids),
            num_busy=self._decoders.num_busy,
            num_waited_for=self._decoders.num_waiting,
            num_lost=self._decoders.num_lost,
        )


def _ahead(config: PreprocessorConfig, model: ModelConfig) -> Ahead:
    return Ahead(
        config.max_audio_in_flight_s,
        model.batch.max_queued_audio_s,
        config.max_chunks_in_flight * model.max_chunk_s,
        full_batches(model.batch, model.batch.max_batches_held),
    )


async def _counted(
    blocks: AsyncIterator[Block], watching: Sequence[Watching]
) -> AsyncIterator[Block]:
    async for block in blocks:
        if block.channel == 0:
            for each in watching:
                each.decoded(len(block.pcm) / SAMPLE_RATE_HZ)
        yield block
    for each in watching:
        each.decoded_all()


async def _copied(audio: StoredAudio, inbox: int) -> int:
    """Into the inbox of a decoder, for which it is far away.

    Raises:
        FileNotFoundError: it is gone from the store.
    """
    return await fetch(audio.url, io.FileIO(inbox, "wb", closefd=False))
