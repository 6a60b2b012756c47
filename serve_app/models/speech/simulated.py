"""A voice that costs what a model would, and speaks no language: it hums.

It sleeps by a cost curve and uses no CPU. What it hums is a function of the text, the voice and the
speed, so that two answers can be compared.
"""

import time
import zlib

import numpy as np
import numpy.typing as npt

from serve_app.config import SynthesizerConfig
from serve_app.models.protocols import ModelInfo, Speech, SynthesisRequest, Voice

SAMPLE_RATE_HZ = 24_000
LETTER_S = 0.06
"""Some 16 letters a second, as people speak."""
_LOWEST_HZ, _SPAN_HZ = 120, 400
_LOUDNESS = 6000


class SimulatedSynthesizer:
    """See `Synthesizer`. Spaces are silent."""

    def __init__(self, config: SynthesizerConfig) -> None:
        self.voices = tuple(Voice(voice.name, code) for code, voice in config.all_voices())
        self.info = ModelInfo(
            config.name,
            config.kind,
            tuple(dict.fromkeys(voice.language for voice in self.voices)),
            word_times=False,
            device="simulated",
            simulated=True,
        )
        self._cost = config.simulated

    def synthesize(self, request: SynthesisRequest) -> Speech:
        num_samples = round(LETTER_S / request.speed * SAMPLE_RATE_HZ)
        times = np.arange(num_samples) * (2 * np.pi / SAMPLE_RATE_HZ)
        hums = [self._hum(letter, request.voice, times) for letter in request.text.strip()]
        pcm = b"".join(hums)
        speech = Speech(pcm, SAMPLE_RATE_HZ)
        time.sleep(self._cost.fixed_s + self._cost.per_audio_s * speech.duration_s)
        return speech

    def close(self) -> None:
        pass

    def _hum(self, letter: str, voice: str, times: npt.NDArray[np.floating]) -> bytes:
        loudness = 0 if letter.isspace() else _LOUDNESS
        place = zlib.crc32(f"{voice}/{letter}".encode("utf-8", "replace"))
        pitch_hz = _LOWEST_HZ + place % _SPAN_HZ
        return bytes((loudness * np.sin(times * pitch_hz)).astype("<i2").tobytes())
