"""Calls from one deployment to another, and what happens when the other one dies.

All calls go by gRPC transport: arguments travel by value, and a caller that leaves cancels the
work. A replica that is lost costs its callers a retry, since all that it does can be done again:
Serve itself never repeats a call that a replica had accepted.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Any, TypeVar

from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator

from serve_app.errors import AtCapacityError, ModelUnavailableError
from serve_app.models.protocols import ModelInfo, Recognition, RecognitionRequest
from serve_app.pipelines.transcription import TranscriptionRequest
from serve_app.transcript.types import Segment, Transcript

logger = logging.getLogger(__name__)

T = TypeVar("T")
Handle = DeploymentHandle[Any]

REPLICA_LOST = (RayActorError, DeploymentUnavailableError)
"""What a caller gets when the replica that it called is gone, or none is there."""

_RETRY_FOR_S = 120.0
"""A replica is back within this, model included, or its callers hear that it is unavailable."""
_RETRY_AFTER_S = 2.0


def backoff_s() -> Iterator[float]:
    """Pauses between attempts: doubling from 50 ms to 2 s, each drawn from its upper half."""
    pause_s = 0.05
    while True:
        yield pause_s * random.uniform(0.5, 1.0)
        pause_s = min(2 * pause_s, 2.0)


class ServeRecognizer:
    """One model's deployment, as the chunks of one recording see it."""

    def __init__(self, model: str, handle: Handle, count_retry: Callable[[], None]) -> None:
        self._model = model
        self._handle = handle.options(_by_reference=False)
        self._count_retry = count_retry
        self._is_admitted = False

    async def recognize(self, request: RecognitionRequest) -> Recognition:
        """See `ChunkRecognizer`. Once one chunk of a recording was accepted, a full queue makes
        the others wait: what was begun is brought to its end."""
        give_up_at = time.monotonic() + _RETRY_FOR_S
        for pause_s in backoff_s():
            try:
                recognition: Recognition = await self._handle.recognize.remote(request)
            except REPLICA_LOST as error:
                if time.monotonic() > give_up_at:
                    raise ModelUnavailableError(self._model, _RETRY_AFTER_S) from error
                logger.warning("%s lost a replica; its chunk goes to another", self._model)
                self._count_retry()
            except (AtCapacityError, BackPressureError) as error:
                if not self._is_admitted:
                    raise AtCapacityError(f"the queue of {self._model} is full", 2.0) from error
            else:
                self._is_admitted = True
                return recognition
            await asyncio.sleep(pause_s)
        raise AssertionError("backoff_s never ends")


class ServeTranscriber:
    """The preprocessor's deployment as a wire sees it: see `Transcriber`."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle.options(_by_reference=False)

    async def transcribe(self, upload: bytes, request: TranscriptionRequest) -> Transcript:
        async def call() -> Transcript:
            transcript: Transcript = await self._handle.transcribe.remote(upload, request)
            return transcript

        return await _with_retries(call)

    async def stream(
        self, upload: bytes, request: TranscriptionRequest
    ) -> AsyncGenerator[Segment | Transcript, None]:
        """A preprocessor that dies is replaced by another that begins again; recognition gives
        the same segments again, so those that have left already are passed over."""
        num_sent = 0
        give_up_at = time.monotonic() + _RETRY_FOR_S
        for pause_s in backoff_s():
            try:
                async with aclosing(self._parts(upload, request, skip=num_sent)) as parts:
                    async for part in parts:
                        num_sent += 1
                        yield part
                return
            except REPLICA_LOST as error:
                if time.monotonic() > give_up_at:
                    raise ModelUnavailableError("the preprocessor", _RETRY_AFTER_S) from error
                logger.warning("a preprocessor was lost; its recording begins again")
            await asyncio.sleep(pause_s)

    async def _parts(
        self, upload: bytes, request: TranscriptionRequest, *, skip: int
    ) -> AsyncGenerator[Segment | Transcript, None]:
        response: DeploymentResponseGenerator[Segment | Transcript]
        response = self._handle.options(stream=True).stream.remote(upload, request)  # type: ignore[assignment]  # of a streaming handle
        index = 0
        try:
            async for part in response:
                if index >= skip:
                    yield part
                index += 1
        finally:
            response.cancel()  # type: ignore[no-untyped-call]  # Ray's

    async def models(self) -> list[ModelInfo]:
        async def call() -> list[ModelInfo]:
            infos: list[ModelInfo] = await self._handle.models.remote()
            return infos

        return await _with_retries(call)


async def _with_retries(call: Callable[[], Awaitable[T]]) -> T:
    give_up_at = time.monotonic() + _RETRY_FOR_S
    for pause_s in backoff_s():
        try:
            return await call()
        except BackPressureError as error:
            raise AtCapacityError("too many recordings wait", _RETRY_AFTER_S) from error
        except REPLICA_LOST as error:
            if time.monotonic() > give_up_at:
                raise ModelUnavailableError("the preprocessor", _RETRY_AFTER_S) from error
            logger.warning("a preprocessor was lost; its call begins again")
        await asyncio.sleep(pause_s)
    raise AssertionError("backoff_s never ends")
