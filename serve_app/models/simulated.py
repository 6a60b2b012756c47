"""An engine that costs what a GPU would, and knows no speech.

It sleeps by a cost curve and uses no CPU, so that everything around a model can be measured where
there is none. Its words are a function of the samples alone, so that two answers can be compared.
"""

import time
import zlib
from collections.abc import Sequence

import numpy as np

from serve_app.config import ModelConfig
from serve_app.models.protocols import ModelInfo, RecognitionRequest
from serve_app.transcript.types import Hypothesis, Word

_VOCABULARY = ("ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple")
_WORD_SAMPLES = 8_000


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
        self._cost = config.simulated

    def prepare(self, requests: Sequence[RecognitionRequest]) -> object:
        return tuple(requests)

    def recognize(self, prepared: object) -> list[Hypothesis]:
        assert isinstance(prepared, tuple)
        padded_s = max(request.chunk.duration_s for request in prepared) * len(prepared)
        time.sleep(self._cost.fixed_s + self._cost.per_audio_s * padded_s)
        return [_words_of(request) for request in prepared]


def _words_of(request: RecognitionRequest) -> Hypothesis:
    samples = request.chunk.samples()
    words = []
    for index in range(0, len(samples), _WORD_SAMPLES):
        piece = samples[index : index + _WORD_SAMPLES]
        if np.any(piece):
            text = _VOCABULARY[zlib.crc32(piece.tobytes()) % len(_VOCABULARY)]
            words.append(Word(text, index / 16_000, (index + len(piece)) / 16_000))
    return Hypothesis(" ".join(word.text for word in words), tuple(words))
