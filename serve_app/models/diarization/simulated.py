"""Speakers that are made up: two who take turns at the recording's sounds, a few seconds each.

Who speaks is a function of the place in the recording, so that answers can be compared.
"""

import numpy as np

from serve_app.audio.waveform import SAMPLE_RATE_HZ, Pcm
from serve_app.config import ModelConfig
from serve_app.models.protocols import ModelInfo

TURN_S = 4.0
_FRAME_SAMPLES = SAMPLE_RATE_HZ * 8 // 100
_CERTAIN = 250


class _Memory:
    def __init__(self) -> None:
        self.samples: Pcm = np.zeros(0, dtype=np.int16)
        self.num_frames = 0


class SimulatedDiarizer:
    """See `Diarizer`. Nobody speaks in digital silence."""

    num_speakers = 2
    frame_s = _FRAME_SAMPLES / SAMPLE_RATE_HZ

    def __init__(self, config: ModelConfig) -> None:
        self.info = ModelInfo(
            config.name, config.kind, (), word_times=False, device="simulated", simulated=True
        )

    def begin(self) -> _Memory:
        return _Memory()

    def hear(self, memory: object, pcm: bytes, *, is_last: bool) -> bytes:
        assert isinstance(memory, _Memory)
        samples = np.concatenate([memory.samples, np.frombuffer(pcm, "<i2")])
        if is_last:
            samples = np.pad(samples, (0, -len(samples) % _FRAME_SAMPLES))
        num_new = len(samples) // _FRAME_SAMPLES
        memory.samples = samples[num_new * _FRAME_SAMPLES :]
        frames = samples[: num_new * _FRAME_SAMPLES].reshape(num_new, _FRAME_SAMPLES)
        places_s = (memory.num_frames + np.arange(num_new)) * self.frame_s
        memory.num_frames += num_new
        is_second = (places_s // TURN_S).astype(int) % 2
        probabilities = np.zeros((num_new, self.num_speakers), dtype=np.uint8)
        probabilities[np.arange(num_new), is_second] = _CERTAIN * frames.any(axis=1)
        return probabilities.tobytes()
