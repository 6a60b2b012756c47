"""A backend that takes a recording only where it would not wait too long for its turn."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from serve_app.ingress.admission.forecast import Forecast
from serve_app.ingress.backend import Around, Backend
from serve_app.pipelines.length import expected_audio_s
from serve_app.pipelines.transcription import TranscriptionRequest
from serve_app.transcript.types import Segment, Transcript


class WeighedBackend(Around):
    """Weighs each recording by its header, for the model that it is for. See `Backend`.

    Both ways of transcribing raise `AtCapacityError` before anything is sent on.
    """

    def __init__(self, backend: Backend, forecast: Forecast, *, max_audio_s: float) -> None:
        super().__init__(backend)
        self._forecast = forecast
        self._max_audio_s = max_audio_s

    async def transcribe(self, upload: bytes, request: TranscriptionRequest) -> Transcript:
        with self._forecast.place(request.model, self._audio_s(upload)):
            return await self._backend.transcribe(upload, request)

    async def stream(
        self, upload: bytes, request: TranscriptionRequest
    ) -> AsyncGenerator[Segment | Transcript, None]:
        with self._forecast.place(request.model, self._audio_s(upload)):
            async with aclosing(self._backend.stream(upload, request)) as parts:
                async for part in parts:
                    yield part

    def _audio_s(self, upload: bytes) -> float:
        return expected_audio_s(upload, longest_s=self._max_audio_s)
