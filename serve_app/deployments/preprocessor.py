"""The deployment in which the story of a recording runs: decoding, chunks, recognition, merging."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from serve_app.audio.sandbox import DecoderPool
from serve_app.config import ModelConfig, PreprocessorConfig
from serve_app.deployments.routing import REPLICA_LOST, Handle, ServeRecognizer
from serve_app.errors import DeadlineExceededError
from serve_app.models.protocols import ModelInfo
from serve_app.pipelines import offline
from serve_app.pipelines.transcription import TranscriptionRequest
from serve_app.telemetry import PreprocessorMetrics, join_serve_logs
from serve_app.transcript.types import Segment, Transcript

_INFO_TIMEOUT_S = 3.0


class Preprocessor:
    """Holds the decoders, and a handle to every model."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self,
        config: PreprocessorConfig,
        max_audio_s: float,
        models: tuple[ModelConfig, ...],
        handles: dict[str, Handle],
    ) -> None:
        join_serve_logs()
        self._models = {model.name: model for model in models}
        self._handles = handles
        self._infos: dict[str, ModelInfo] = {}
        self._max_chunks_in_flight = config.max_chunks_in_flight
        self._metrics = PreprocessorMetrics()
        self._decoders = DecoderPool(
            num_decoders=config.num_decoders,
            max_waiting=config.max_waiting,
            timeout_s=config.decode_timeout_s,
            memory_bytes=config.decoder_memory_bytes,
            max_audio_s=max_audio_s,
        )
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
        model = self._models[request.model]
        async with (
            aclosing(self._decoders.decode(upload, channel=request.channel)) as blocks,
            aclosing(
                offline.transcribe(
                    blocks,
                    self._recognizer(model.name),
                    request.options,
                    offline.ChunkedRecognition(
                        model.name,
                        model.max_chunk_s,
                        self._max_chunks_in_flight,
                        finds_language=model.finds_language,
                        translations=model.translations(),
                    ),
                )
            ) as parts,
        ):
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        part = await anext(parts)
                except StopAsyncIteration:
                    return
                except TimeoutError as error:
                    raise DeadlineExceededError(request.timeout_s) from error
                if isinstance(part, Transcript):
                    self._count(part)
                yield part

    async def models(self) -> list[ModelInfo]:
        """What the models that answer now can do, in the order of the configuration."""
        await asyncio.gather(*(self._ask_info(name) for name in self._models))
        return [self._infos[name] for name in self._models if name in self._infos]

    async def _ask_info(self, name: str) -> None:
        """A model that cannot answer now has no entry, and keeps nobody waiting for the others."""
        try:
            async with asyncio.timeout(_INFO_TIMEOUT_S):
                self._infos[name] = await self._handles[name].info.remote()
        except (TimeoutError, *REPLICA_LOST):
            self._infos.pop(name, None)

    async def __del__(self) -> None:
        await self._decoders.close()

    def _recognizer(self, model: str) -> ServeRecognizer:
        return ServeRecognizer(
            model,
            self._handles[model],
            lambda: self._metrics.retries.inc(tags={"model": model}),
        )

    def _count(self, transcript: Transcript) -> None:
        if transcript.duration_s:
            self._metrics.audio_s.inc(transcript.duration_s, tags={"model": transcript.model})
        self._metrics.decode_s.observe(transcript.stage_times.decode_s)
