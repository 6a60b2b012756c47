"""The stretch of a stream that an encoder sees again with each step, and a batch of such."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from serve_app.audio.waveform import SAMPLE_RATE_HZ, Pcm

_MIN_SAMPLES = SAMPLE_RATE_HZ // 10
"""Shorter rows are padded with silence: the features are normalised over time and need some."""


@dataclass(slots=True, eq=False)
class Window:
    samples: Pcm = field(default_factory=lambda: np.zeros(0, dtype=np.int16))
    start: int = 0
    """Samples of the segment in front of it."""

    @property
    def end(self) -> int:
        return self.start + len(self.samples)

    @property
    def is_silent(self) -> bool:
        """Digitally."""
        return not self.samples.any()

    def hear(self, arrived: Pcm) -> None:
        self.samples = np.concatenate([self.samples, arrived])

    def leave(self, num_samples: int) -> None:
        """Un-hear so many of the last samples, or all."""
        self.samples = self.samples[: max(len(self.samples) - num_samples, 0)]

    def forget(self, before: int) -> None:
        """Let it begin at the sample `before` of the segment, if it does not yet."""
        if before > self.start:
            self.samples = self.samples[before - self.start :]
            self.start = before


def as_batch(windows: Sequence[Window], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Float32 in [-1, 1], `(num_rows, longest)`, zeros behind each row's end; and their lengths."""
    lengths = [max(len(window.samples), _MIN_SAMPLES) for window in windows]
    samples = torch.zeros(len(windows), max(lengths), dtype=torch.int16)
    for row, window in zip(samples.numpy(), windows, strict=True):
        row[: len(window.samples)] = window.samples
    signal = samples.to(device).to(torch.float32) / 32768.0
    return signal, torch.tensor(lengths, device=device)


def frames_in(duration_s: float, frame_s: float) -> int:
    """Encoder frames that hold `duration_s`."""
    return int(np.ceil(duration_s / frame_s - 1e-6))
