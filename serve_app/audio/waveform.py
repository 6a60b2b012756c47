"""The two forms that audio takes between the wire and a model: blocks of PCM, and chunks of them.

Everything downstream of the decoder is 16 kHz mono, 16-bit little-endian: half the bytes of
float32 on every hop, and what each of the models was trained on.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ = 16_000
BYTES_PER_SAMPLE = 2

Pcm: TypeAlias = npt.NDArray[np.int16]
"""Samples of shape `(num_samples,)`, mono at `SAMPLE_RATE_HZ`."""


Channel: TypeAlias = Literal["mix", "split"] | int
"""`mix` averages all channels, `split` hears each for itself; a number picks one, from 0."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of a recording that one row of a model's batch can hold."""

    pcm: bytes
    """PCM16LE mono at `SAMPLE_RATE_HZ`."""
    start_s: float
    """Where the chunk begins in its recording."""

    @property
    def num_samples(self) -> int:
        return len(self.pcm) // BYTES_PER_SAMPLE

    @property
    def duration_s(self) -> float:
        return self.num_samples / SAMPLE_RATE_HZ

    def samples(self) -> Pcm:
        """The samples, without a copy."""
        return np.frombuffer(self.pcm, dtype="<i2")
