"""The synthesizers' deployments, as an ingress sees them.

All calls go by gRPC transport, so that a caller who leaves stops the work. The same text gives the
same bytes in any replica, so one that dies costs its callers a pause: what they had is passed over.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace

from ray.serve.exceptions import BackPressureError
from ray.serve.handle import DeploymentResponseGenerator

from serve_app.deployments.routing import REPLICA_LOST, Handle, Patience
from serve_app.errors import AtCapacityError
from serve_app.models.protocols import (
    ModelInfo,
    Speech,
    SpeechPart,
    SpokenText,
    SynthesisRequest,
)
from serve_app.telemetry import tracing

_RETRY_AFTER_S = 2.0
_ASK_TIMEOUT_S = 4.0


class ServeSynthesizers:
    """See `TextSpeaker`."""

    def __init__(self, handles: Mapping[str, Handle]) -> None:
        """By served name."""
        self._handles = {
            name: handle.options(_by_reference=False) for name, handle in handles.items()
        }

    async def synthesize(self, model: str, request: SynthesisRequest) -> Speech:
        patience = Patience(model)
        traced = replace(request, trace=tracing.here() or request.trace)
        while True:
            try:
                speech: Speech = await self._handles[model].synthesize.remote(traced)
                return speech
            except BackPressureError as error:
                raise _full(model) from error
            except REPLICA_LOST as error:
                await patience.after_loss(error)

    async def speak(self, model: str, request: SpokenText) -> AsyncGenerator[SpeechPart, None]:
        num_sent = 0
        patience = Patience(model)
        traced = replace(request, trace=tracing.here() or request.trace)
        while True:
            try:
                async with aclosing(self._parts(model, traced, skip=num_sent)) as parts:
                    async for part in parts:
                        num_sent += 1
                        patience.reset()
                        yield part
                return
            except BackPressureError as error:
                raise _full(model) from error
            except REPLICA_LOST as error:
                await patience.after_loss(error)

    async def _parts(
        self, model: str, request: SpokenText, *, skip: int
    ) -> AsyncGenerator[SpeechPart, None]:
        response: DeploymentResponseGenerator[SpeechPart]
        response = self._handles[model].options(stream=True).speak.remote(request)  # type: ignore[assignment]  # of a streaming handle
        index = 0
        try:
            async for part in response:
                if index >= skip:
                    yield part
                index += 1
        finally:
            response.cancel()  # type: ignore[no-untyped-call]  # Ray's

    async def infos(self) -> list[ModelInfo]:
        """Of those that answer now."""
        asked = await asyncio.gather(*(self._info(each) for each in self._handles.values()))
        return [info for info in asked if info is not None]

    async def _info(self, handle: Handle) -> ModelInfo | None:
        try:
            async with asyncio.timeout(_ASK_TIMEOUT_S):
                info: ModelInfo = await handle.info.remote()
        except (TimeoutError, BackPressureError, *REPLICA_LOST):
            return None
        return info


def _full(model: str) -> AtCapacityError:
    return AtCapacityError(f"the queue of {model} is full", _RETRY_AFTER_S)
