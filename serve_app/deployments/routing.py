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
from dataclasses import replace
from typing import Any, TypeVar

from grpc import RpcError  # type: ignore[import-untyped]  # ships no types
from ray.exceptions import RayActorError, RayError
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    RayServeException,
)
from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator

from serve_app.deployments.ledger import LedgerLostError
from serve_app.deployments.ledger.accounts import Limits, Refusal
from serve_app.errors import AtCapacityError, EngineError, ModelUnavailableError
from serve_app.models.protocols import ModelBrokenError, ModelInfo, Recognition, RecognitionRequest
from serve_app.pipelines.load import Load
from serve_app.pipelines.transcription import Progress, StoredAudio, TranscriptionRequest
from serve_app.telemetry import tracing
from serve_app.transcript.types import Segment, Transcript

logger = logging.getLogger(__name__)

T = TypeVar("T")
Handle = DeploymentHandle[Any]

REPLICA_LOST = (RayActorError, DeploymentUnavailableError, ModelBrokenError)
"""What a caller gets when the replica that it called is gone or broken, or none is there."""

_LEDGER_LOST = (RayError, RayServeException, RpcError)
"""All that a call may fail with; whichever it is, nobody is refused for it."""

_RETRY_FOR_S = 120.0
"""From the first loss: a replica is back within this, model included, or it is unavailable."""
_MAX_DEATHS = 4
"""What kills replica after replica is the call itself; it must not go round for ever."""
_ONE_DEATH_S = 1.0
"""An attempt that fails sooner met a replica that was dead already, which the router may offer
again; only one that took longer, waiting for a live one included, may have killed it."""
_RETRY_AFTER_S = 2.0


class Patience:
    """How long one caller goes on when it loses replicas."""

    def __init__(self, what: str) -> None:
        self._what = what
        self.reset()

    def reset(self) -> None:
        """Begin anew, after an answer or a part of one."""
        self._pauses = backoff_s()
        self._first_loss_at: float | None = None
        self._num_deaths = 0
        self._attempt_began_at = time.monotonic()

    async def pause(self) -> None:
        await asyncio.sleep(next(self._pauses))

    async def after_loss(self, error: Exception) -> None:
        """Wait until it is time to try again.

        Raises:
            EngineError: replica after replica died.
            ModelUnavailableError: no replica came back in time.
        """
        now = time.monotonic()
        self._first_loss_at = now if self._first_loss_at is None else self._first_loss_at
        if now - self._attempt_began_at >= _ONE_DEATH_S:
            self._num_deaths += 1
        if self._num_deaths > _MAX_DEATHS:
            raise EngineError(self._what, f"{_MAX_DEATHS} replicas died of this call") from error
        if now - self._first_loss_at > _RETRY_FOR_S:
            raise ModelUnavailableError(self._what, _RETRY_AFTER_S) from error
        logger.warning("a replica of %s was lost; its call goes to another", self._what)
        await self.pause()
        self._attempt_began_at = time.monotonic()


def backoff_s() -> Iterator[float]:
    """Pauses between attempts: doubling from 50 ms to 2 s, each drawn from its upper half."""
    pause_s = 0.05
    while True:
        yield pause_s * random.uniform(0.5, 1.0)
        pause_s = min(2 * pause_s, 2.0)


class ServeRecognizer:
    """One model's deployment, as the chunks of one recording see it."""

    def __init__(
        self,
        model: str,
        handle: Handle,
        count_loss: Callable[[], None],
        *,
        waits: bool = False,
    ) -> None:
        """`count_loss` is called for each call that lost its replica and is made again. `waits`:
        the first chunk, too, waits for a place in the model's queue."""
        self._model = model
        self._handle = handle.options(_by_reference=False)
        self._count_loss = count_loss
        self._has_begun = waits

    async def recognize(self, request: RecognitionRequest) -> Recognition:
        """See `ChunkRecognizer`. Only the first chunk of a recording may find the queue full; the
        others wait, so that what was begun is brought to its end."""
        may_be_refused, self._has_begun = not self._has_begun, True
        patience = Patience(self._model)
        while True:
            try:
                recognition: Recognition = await self._handle.recognize.remote(request)
                return recognition
            except REPLICA_LOST as error:
                self._count_loss()
                await patience.after_loss(error)
            except (AtCapacityError, BackPressureError) as error:
                if may_be_refused:
                    what = f"the queue of {self._model} is full"
                    raise AtCapacityError(what, _RETRY_AFTER_S) from error
                await patience.pause()


class ServeTranscriber:
    """The preprocessor's deployment as a wire sees it: see `Transcriber`."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle.options(_by_reference=False)

    async def transcribe(self, upload: bytes, request: TranscriptionRequest) -> Transcript:
        async def call() -> Transcript:
            transcript: Transcript = await self._handle.transcribe.remote(upload, _traced(request))
            return transcript

        return await _with_retries(call)

    async def stream(
        self, upload: bytes, request: TranscriptionRequest
    ) -> AsyncGenerator[Segment | Transcript, None]:
        """A preprocessor that dies is replaced by another that begins again; recognition gives
        the same segments again, so those that have left already are passed over."""
        num_sent = 0
        patience = Patience("the preprocessor")
        while True:
            try:
                async with aclosing(self._parts(upload, request, skip=num_sent)) as parts:
                    async for part in parts:
                        num_sent += 1
                        patience.reset()
                        yield part
                return
            except BackPressureError as error:
                raise AtCapacityError("too many recordings wait", _RETRY_AFTER_S) from error
            except REPLICA_LOST as error:
                await patience.after_loss(error)

    async def _parts(
        self, upload: bytes, request: TranscriptionRequest, *, skip: int
    ) -> AsyncGenerator[Segment | Transcript, None]:
        response: DeploymentResponseGenerator[Segment | Transcript]
        response = self._handle.options(stream=True).stream.remote(upload, _traced(request))  # type: ignore[assignment]  # of a streaming handle
        index = 0
        try:
            async for part in response:
                if index >= skip:
                    yield part
                index += 1
        finally:
            response.cancel()  # type: ignore[no-untyped-call]  # Ray's

    async def stream_stored(
        self, audio: StoredAudio, request: TranscriptionRequest, expected_s: float
    ) -> AsyncGenerator[Progress | Transcript, None]:
        """See `StoredTranscriber`. A preprocessor that dies is replaced by one that begins
        again."""
        patience, furthest_s = Patience("the preprocessor"), 0.0
        while True:
            try:
                response: DeploymentResponseGenerator[Progress | Transcript]
                response = self._handle.options(stream=True).stream_stored.remote(  # type: ignore[assignment]  # of a streaming handle
                    audio, _traced(request), expected_s
                )
                try:
                    async for part in response:
                        if isinstance(part, Progress) and part.done_s > furthest_s:
                            furthest_s = part.done_s  # new ground: it is not what kills them
                            patience.reset()
                        yield part
                finally:
                    response.cancel()  # type: ignore[no-untyped-call]  # Ray's
                return
            except BackPressureError as error:
                raise AtCapacityError("too many recordings wait", _RETRY_AFTER_S) from error
            except REPLICA_LOST as error:
                await patience.after_loss(error)

    async def models(self) -> list[ModelInfo]:
        async def call() -> list[ModelInfo]:
            infos: list[ModelInfo] = await self._handle.models.remote()
            return infos

        return await _with_retries(call)

    async def load(self) -> Load:
        """What one of the preprocessors has under way; it is asked once.

        Raises:
            ModelUnavailableError: it did not answer.
        """
        try:
            load: Load = await self._handle.load.remote()
        except (BackPressureError, *REPLICA_LOST) as error:
            raise ModelUnavailableError("the preprocessor", _RETRY_AFTER_S) from error
        return load


def _traced(request: TranscriptionRequest) -> TranscriptionRequest:
    """With where in a trace this task stands, if it does."""
    trace = tracing.here()
    return request if trace is None else replace(request, trace=trace)


async def _with_retries(call: Callable[[], Awaitable[T]]) -> T:
    patience = Patience("the preprocessor")
    while True:
        try:
            return await call()
        except BackPressureError as error:
            raise AtCapacityError("too many recordings wait", _RETRY_AFTER_S) from error
        except REPLICA_LOST as error:
            await patience.after_loss(error)


class ServeLedger:
    """The ledger's deployment as an ingress sees it: see `AsyncLedger`.

    Not asked again when it is lost: see `PatientLedger`.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle.options(_by_reference=False)

    async def admit(
        self, key: str, limits: Limits, *, works: bool, stream: str | None = None
    ) -> Refusal | None:
        try:
            refusal: Refusal | None = await self._handle.admit.remote(
                key, limits, works=works, stream=stream
            )
        except _LEDGER_LOST as error:
            raise LedgerLostError from error
        return refusal

    async def renew(
        self, key: str, limits: Limits, audio_s: float, *, stream: str
    ) -> Refusal | None:
        try:
            refusal: Refusal | None = await self._handle.renew.remote(
                key, limits, audio_s, stream=stream
            )
        except _LEDGER_LOST as error:
            raise LedgerLostError from error
        return refusal

    async def note(
        self, key: str, audio_s: float, *, stream: str | None = None, is_over: bool = False
    ) -> None:
        try:
            await self._handle.note.remote(key, audio_s, stream=stream, is_over=is_over)
        except _LEDGER_LOST as error:
            raise LedgerLostError from error
