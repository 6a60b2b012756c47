"""The deployments without Ray: real ones of ours, joined by handles that call them here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from serve_app.config import DiarizationConfig, ModelConfig, PreprocessorConfig
from serve_app.deployments.batching.lane import Lane
from serve_app.deployments.diarization.hearings import Hearings
from serve_app.deployments.diarization.replica import Diarization
from serve_app.deployments.preprocessor import Preprocessor
from serve_app.deployments.routing import ServeTranscriber
from serve_app.models.protocols import Diarizer, ModelInfo, Recognizer
from serve_app.models.simulated import SimulatedRecognizer


class LocalHandle:
    """Calls an object of this process as a handle calls a replica."""

    def __init__(self, replica: Any, method: str = "") -> None:
        self._replica = replica
        self._method = method

    def options(self, **_: object) -> "LocalHandle":
        return self

    def __getattr__(self, method: str) -> "LocalHandle":
        return LocalHandle(self._replica, method)

    def remote(self, *args: Any) -> Any:
        answer = getattr(self._replica, self._method)(*args)
        return answer if hasattr(answer, "__await__") else _Stream(answer)


class _Stream:
    """What a streaming handle gives: parts, and a way to stop."""

    def __init__(self, parts: Any) -> None:
        self._parts = parts

    def __aiter__(self) -> Any:
        return self._parts

    def cancel(self) -> None:
        self._closing = asyncio.ensure_future(self._parts.aclose())


class LocalModel:
    """A lane as its deployment calls it."""

    def __init__(self, lane: Lane, info: ModelInfo) -> None:
        self.recognize = lane.submit
        self._info = info

    async def info(self) -> ModelInfo:
        return self._info


class LocalDiarization(Diarization):
    """A replica around a model that is there already."""

    def __init__(self, config: ModelConfig, model: Diarizer) -> None:
        self._config = config.diarization or DiarizationConfig()
        self._model = model
        self._hearings = Hearings(model, max_recordings=self._config.max_recordings)
        self._name = "local"

    def __del__(self) -> None:  # type: ignore[override]  # not a coroutine here
        self._hearings.close()


class LocalPreprocessor(Preprocessor):
    """One whose end is told by the test: Serve awaits `__del__`, which Python does not."""

    def __del__(self) -> None:  # type: ignore[override]  # not a coroutine here
        pass


@asynccontextmanager
async def local_preprocessor(
    model: ModelConfig,
    config: PreprocessorConfig,
    *,
    recognizer: Recognizer | None = None,
    max_audio_s: float = 14_400.0,
    diarizer: tuple[ModelConfig, Diarizer] | None = None,
) -> AsyncIterator[Preprocessor]:
    """A preprocessor with real decoders over one model, simulated where none is given, and one
    that tells speakers apart, where one is given."""
    recognizer = recognizer or SimulatedRecognizer(model)
    lane = Lane(recognizer, model.batch, lambda _: None)
    handles = {model.name: LocalHandle(LocalModel(lane, recognizer.info))}
    diarizers: tuple[ModelConfig, ...] = ()
    if diarizer is not None:
        diarizers = (diarizer[0],)
        handles[diarizer[0].name] = LocalHandle(LocalDiarization(*diarizer))
    preprocessor = LocalPreprocessor.__new__(LocalPreprocessor)
    await preprocessor.__init__(config, max_audio_s, max_audio_s, (model,), handles, diarizers)  # type: ignore[misc]  # as Serve does
    try:
        yield preprocessor
    finally:
        await preprocessor._decoders.close()
        await preprocessor._pulse.close()
        await lane.close()


def transcriber(preprocessor: Preprocessor) -> ServeTranscriber:
    return ServeTranscriber(LocalHandle(preprocessor))  # type: ignore[arg-type]  # no handle of Ray's
