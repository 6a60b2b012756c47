"""A deployment that tells speakers apart, as the pipeline of one recording sees it."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from grpc import RpcError  # type: ignore[import-untyped]  # ships no types
from ray.exceptions import RayError
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentResponseGenerator

from serve_app.deployments.links import running
from serve_app.deployments.routing import REPLICA_LOST, Handle, Patience
from serve_app.errors import AtCapacityError, ModelUnavailableError, SpeechError
from serve_app.models.protocols import DiarizationOpened, RecordingDiarizer

_CALL_LOST = (RayError, RayServeException, RpcError, RuntimeError)
"""All that a call to a replica may fail with when that is gone; Ray has no one name for it."""
_TRIES = 4
"""Replicas that are asked whether they have a place; any may be asked twice."""
_RETRY_AFTER_S = 2.0


class ServeDiarizer:
    """One model's deployment."""

    def __init__(self, model: str, handle: Handle) -> None:
        self._model = model
        self._handle = handle.options(_by_reference=False)

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[RecordingDiarizer]:
        """Have some replica listen to one recording; it forgets it at the end of the block.

        Raises:
            AtCapacityError: those that were asked listen to all they can.
            ModelUnavailableError: no replica answered.
        """
        recording = uuid.uuid4().hex
        response, opened = await self._open(recording)
        running.hold(self._model, opened.replica)
        try:
            yield ServeHearing(self._model, self._handle, recording, opened)
        finally:
            running.let_go(self._model, opened.replica)
            response.cancel()  # type: ignore[no-untyped-call]  # Ray's

    async def _open(
        self, recording: str
    ) -> tuple["DeploymentResponseGenerator[DiarizationOpened]", DiarizationOpened]:
        patience = Patience(self._model)
        num_full = 0
        while True:
            response: DeploymentResponseGenerator[DiarizationOpened]
            response = self._handle.options(stream=True).listen.remote(recording)  # type: ignore[assignment]  # of a streaming handle
            try:
                return response, await anext(aiter(response))
            except REPLICA_LOST as error:
                await patience.after_loss(error)
            except (AtCapacityError, BackPressureError) as error:
                num_full += 1
                if num_full == _TRIES:
                    what = f"{self._model} listens to all it can"
                    raise AtCapacityError(what, _RETRY_AFTER_S) from error
            except BaseException:
                response.cancel()  # type: ignore[no-untyped-call]  # Ray's
                raise


class ServeHearing:
    """See `RecordingDiarizer`. What the replica remembered is nowhere else, so nothing is tried
    again: no audio is kept to begin anew with."""

    def __init__(
        self, model: str, handle: Handle, recording: str, opened: DiarizationOpened
    ) -> None:
        self._model = model
        self._recording = recording
        self._handle = handle.options(session_id=opened.replica)
        self.num_speakers = opened.num_speakers
        self.frame_s = opened.frame_s

    async def hear(self, pcm: bytes, *, is_last: bool) -> bytes:
        try:
            heard: bytes = await self._handle.hear.remote(self._recording, pcm, is_last)
        except SpeechError:
            raise
        except _CALL_LOST as error:
            raise ModelUnavailableError(self._model, _RETRY_AFTER_S) from error
        return heard
