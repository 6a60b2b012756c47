"""The synthesizers' deployments, as an ingress sees them.

All calls go by gRPC transport, so that a caller who leaves stops the work. The same text gives the
same bytes in any replica like it, so one that dies costs its callers a pause: what they had is
passed over.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any

from ray.serve.exceptions import BackPressureError

from serve_app.deployments.routing import REPLICA_LOST, Handle, Patience
from serve_app.errors import AtCapacityError, EngineError, ModelUnavailableError
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

    def __init__(self, handles: Mapping[str, Handle], *, limit_s: float = 60.0) -> None:
        """`handles` by served name. A sentence that is not there after `limit_s`, its turn
        included, will not come: Serve itself waits for ever for a replica."""
        self._handles = {
            name: handle.options(_by_reference=False) for name, handle in handles.items()
        }
        self._limit_s = limit_s
        self._infos: dict[str, ModelInfo] = {}

    async def synthesize(self, model: str, request: SynthesisRequest) -> Speech:
        patience = Patience(model)
        traced = replace(request, trace=tracing.here() or request.trace)
        call = self._handles[model].options(stream=True).synthesize
        while True:
            try:
                async with (
                    asyncio.timeout(self._limit_s),
                    aclosing(_parts_of(call.remote(traced))) as parts,
                ):
                    pcm = b"".join([part.data async for part in parts])
                return Speech(pcm, request.sample_rate_hz)
            except TimeoutError as error:
                raise ModelUnavailableError(model, _RETRY_AFTER_S) from error
            except BackPressureError as error:
                raise _full(model) from error
            except REPLICA_LOST as error:
                await patience.after_loss(error)

    async def speak(self, model: str, request: SpokenText) -> AsyncGenerator[SpeechPart, None]:
        """A text whose replica was lost goes on behind the last byte that was sent, where the next
        one says the same; it is broken off where it does not."""
        sent = _Sent(model)
        patience = Patience(model)
        traced = replace(request, trace=tracing.here() or request.trace)
        call = self._handles[model].options(stream=True).speak
        while True:
            try:
                async with (
                    aclosing(_parts_of(call.remote(traced))) as parts,
                    aclosing(sent.beyond(parts)) as new,
                ):
                    async for part in new:
                        sent.note(part)
                        patience.reset()
                        yield part
                return
            except BackPressureError as error:
                raise _full(model) from error
            except REPLICA_LOST as error:
                await patience.after_loss(error)

    async def infos(self) -> list[ModelInfo]:
        """Of those that have answered once: whoever sleeps is not woken to be asked again."""
        unknown = [name for name in self._handles if name not in self._infos]
        await asyncio.gather(*(self._ask(name) for name in unknown))
        return [self._infos[name] for name in self._handles if name in self._infos]

    async def _ask(self, model: str) -> None:
        with suppress(TimeoutError, BackPressureError, *REPLICA_LOST):
            async with asyncio.timeout(_ASK_TIMEOUT_S):
                self._infos[model] = await self._handles[model].info.remote()


class _Sent:
    """What a client has of a file: how much, and its digest."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._num_bytes = 0
        self._digest = hashlib.blake2b()

    def note(self, part: SpeechPart) -> None:
        self._num_bytes += len(part.data)
        self._digest.update(part.data)

    async def beyond(
        self, parts: AsyncGenerator[SpeechPart, None]
    ) -> AsyncGenerator[SpeechPart, None]:
        """What of `parts`, which begin at the beginning, is new.

        Raises:
            EngineError: they are of another file.
        """
        known, num_known, again = self._digest.copy(), self._num_bytes, hashlib.blake2b()
        async for part in parts:
            if not num_known:
                yield part
                continue
            new = part.data[num_known:]
            again.update(part.data[:num_known])
            num_known = max(0, num_known - len(part.data))
            if not num_known and again.digest() != known.digest():
                raise self._differs()
            if new:
                yield SpeechPart(new, part.duration_s * len(new) / len(part.data))
        if num_known:
            raise self._differs()

    def _differs(self) -> EngineError:
        return EngineError(self._model, "its replica was lost, and the next one says it otherwise")


async def _parts_of(response: Any) -> AsyncGenerator[SpeechPart, None]:
    """Those of a streaming call, which ends when nobody wants them any more."""
    try:
        async for part in response:
            yield part
    finally:
        response.cancel()


def _full(model: str) -> AtCapacityError:
    return AtCapacityError(f"the queue of {model} is full", _RETRY_AFTER_S)
