"""An utterance in, its text in another language out: one hop, by a model for recordings.

An utterance is a recording: batches, chunks, retries and the autoscaler are those of recordings.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from serve_app.audio.wav import wav_of
from serve_app.audio.waveform import SAMPLE_RATE_HZ
from serve_app.pipelines.speech_to_speech.hearing import Spoken
from serve_app.pipelines.transcription import Transcriber, TranscriptionRequest


@dataclass(frozen=True, slots=True)
class Translation:
    """What an utterance means, as far as that is known."""

    source: str | None
    """ISO 639-1 of what was spoken; None where no word was."""
    target: str | None
    text: str
    source_text: str | None = None
    """What was said, where that was asked for."""
    certain: str = ""
    """Of a text that goes on, the beginning that will not change."""
    is_final: bool = True


class Translator(Protocol):
    """Translates utterances, in one direction or from one language to the other and back."""

    async def translate(self, spoken: Spoken) -> Translation:
        """
        Raises:
            SpeechError: any of them; a `CapacityError` is worth another try.
        """
        ...


class RecordingTranslator:
    """Each utterance is a recording of its own. See `Translator`."""

    def __init__(
        self,
        transcriber: Transcriber,
        request: TranscriptionRequest,
        source_request: TranscriptionRequest | None = None,
    ) -> None:
        """`source_request` asks for the text in the language that is spoken, at the same time and
        so in the same batch; None: nobody wants it."""
        self._transcriber = transcriber
        self._request = request
        self._source_request = source_request

    async def translate(self, spoken: Spoken) -> Translation:
        recording = wav_of(spoken.pcm, SAMPLE_RATE_HZ)
        requests = [self._request]
        if self._source_request is not None:
            requests.append(self._source_request)
        asked = [
            asyncio.create_task(self._transcriber.transcribe(recording, request))
            for request in requests
        ]
        try:
            translated, *sources = await asyncio.gather(*asked)
        finally:
            for each in asked:
                each.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        return Translation(
            translated.spoken_language,
            translated.language,
            translated.text,
            sources[0].text if sources else None,
        )
