"""An engine that costs what a GPU would, and knows no speech.

It sleeps by a cost curve and uses no CPU, so that everything around a model can be measured where
there is none. Its words are a function of the samples and of the language that they shall be in, so
that two answers can be compared. With a `pivot_language` it answers as a model that translates.
"""

import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from serve_app.audio.waveform import SAMPLE_RATE_HZ, Pcm
from serve_app.config import ModelConfig
from serve_app.models.protocols import ModelInfo, RecognitionRequest
from serve_app.transcript.types import Hypothesis, Word

_VOCABULARY = ("ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple")
WORD_SAMPLES = 8_000


class SimulatedRecognizer:
    """Answers with one word for each half second that is not digital silence."""

    def __init__(self, config: ModelConfig) -> None:
        self.info = ModelInfo(
            name=config.name,
            kind=config.kind,
            languages=config.languages,
            device="simulated",
            simulated=True,
        )
        self._config = config

    def prepare(self, requests: Sequence[RecognitionRequest]) -> object:
        return tuple(requests)

    def recognize(self, prepared: object) -> list[Hypothesis]:
        assert isinstance(prepared, tuple)
        cost = self._config.simulated
        padded_s = max(request.chunk.duration_s for request in prepared) * len(prepared)
        time.sleep(cost.fixed_s + cost.per_audio_s * padded_s)
        return [self._hypothesis(request) for request in prepared]

    def _hypothesis(self, request: RecognitionRequest) -> Hypothesis:
        options = request.options
        spoken = options.language or self._heard(request)
        written = options.target_for(spoken) or spoken
        words = list(words_in(request.chunk.samples(), "" if written == spoken else written))
        if self._config.chooses_pnc and options.pnc and words:
            words[0] = replace(words[0], text=words[0].text.capitalize())
            words[-1] = replace(words[-1], text=f"{words[-1].text}.")
        return Hypothesis(
            " ".join(word.text for word in words),
            tuple(words) if written == spoken else None,
            language=written,
            spoken_language=spoken,
        )

    def _heard(self, request: RecognitionRequest) -> str:
        """Some language of those that may be spoken, by the samples."""
        options, known = request.options, self._config
        target = options.target_language
        possible = known.sources_of(target) if target else options.among or known.languages
        return possible[zlib.crc32(request.chunk.pcm) % len(possible)]


def words_in(samples: Pcm, language: str) -> Iterator[Word]:
    """One word for each half second that is not silent; `language` makes them others."""
    for index in range(0, len(samples), WORD_SAMPLES):
        piece = samples[index : index + WORD_SAMPLES]
        if np.any(piece):
            place = zlib.crc32(piece.tobytes(), zlib.crc32(language.encode()))
            text = _VOCABULARY[place % len(_VOCABULARY)]
            yield Word(text, index / SAMPLE_RATE_HZ, (index + len(piece)) / SAMPLE_RATE_HZ)
