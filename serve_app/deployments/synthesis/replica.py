"""One synthesizer as a deployment: sentences and texts, in; PCM and encoded files, out."""

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import closing
from dataclasses import replace

from serve_app.audio.encode import Encoder
from serve_app.config import SynthesizerConfig
from serve_app.deployments.synthesis.turns import SentenceReport, Turns
from serve_app.models.loader import load_synthesizer
from serve_app.models.protocols import (
    ModelInfo,
    Speech,
    SpeechPart,
    SpokenText,
    SynthesisRequest,
)
from serve_app.telemetry import replica
from serve_app.telemetry.metrics import SynthesizerMetrics
from serve_app.transcript.sentences import sentences_of

_STUCK_AFTER = 4
"""Time limits of one sentence, after which the model has hung; Serve then replaces the replica."""
_PART_BYTES = 512 * 1024
"""Of a file in one message between deployments."""


class Synthesizer:
    """Ready once its model has spoken a first word. All calls go by gRPC transport."""

    _pulse: replica.Pulse | None = None
    """None until all else is there."""

    async def __init__(self, config: SynthesizerConfig) -> None:  # type: ignore[misc]  # Serve awaits it
        replica.begin(config.name)
        self._config = config
        self._model = await asyncio.to_thread(load_synthesizer, config)
        self._metrics = SynthesizerMetrics(config.name)
        self._turns = Turns(self._model, max_waiting=config.max_waiting, report=self._count)
        self._pulse = replica.Pulse(config.name, self._beat)

    async def synthesize(self, request: SynthesisRequest) -> Speech:
        """See `SentenceSynthesizer`. What is longer than a sentence is spoken in pieces."""
        pieces = [
            await self._turns.synthesize(replace(request, text=sentence), has_begun=index > 0)
            for index, sentence in enumerate(self._sentences(request.text))
        ]
        return Speech(b"".join(piece.pcm for piece in pieces), request.sample_rate_hz)

    async def speak(self, request: SpokenText) -> AsyncGenerator[SpeechPart, None]:
        """See `TextSpeaker`. Each sentence leaves as soon as it is spoken."""
        sentences = self._sentences(request.text)
        with closing(Encoder(request.format, request.sample_rate_hz)) as encoder:
            for index, sentence in enumerate(sentences):
                wanted = _sentence(request, sentence)
                speech = await self._turns.synthesize(wanted, has_begun=index > 0)
                is_last = index == len(sentences) - 1
                data = await asyncio.to_thread(encoder.encode, speech.pcm, is_last=is_last)
                for part in _parts(data, speech.duration_s):
                    yield part

    def _sentences(self, text: str) -> list[str]:
        return list(sentences_of(text, max_chars=self._config.max_sentence_chars))

    async def info(self) -> ModelInfo:
        return self._model.info

    def check_health(self) -> None:
        """Called by Serve; raising makes it replace this replica."""
        if self._turns.is_broken:
            raise RuntimeError("the model speaks no more")
        if self._turns.busy_for_s > _STUCK_AFTER * self._config.timeout_s:
            raise RuntimeError(f"the model has spoken for {self._turns.busy_for_s:.0f} s")

    def _count(self, sentence: SentenceReport) -> None:
        self._metrics.spoke(
            num_chars=sentence.num_chars,
            speech_s=sentence.speech_s,
            wait_s=sentence.wait_s,
            work_s=sentence.work_s,
        )

    def _beat(self) -> None:
        self._metrics.waiting.set(self._turns.num_waiting)

    async def __del__(self) -> None:
        if self._pulse is None:
            return
        try:
            self._turns.close()
        finally:
            await self._pulse.close()


def _sentence(request: SpokenText, sentence: str) -> SynthesisRequest:
    return SynthesisRequest(
        sentence, request.voice, request.speed, request.sample_rate_hz, request.trace
    )


def _parts(data: bytes, duration_s: float) -> list[SpeechPart]:
    """The bytes of one sentence, its duration shared out among them; one at least, so that who
    listens knows that work was done."""
    num_parts = max(1, math.ceil(len(data) / _PART_BYTES))
    return [
        SpeechPart(data[index * _PART_BYTES : (index + 1) * _PART_BYTES], duration_s / num_parts)
        for index in range(num_parts)
    ]
