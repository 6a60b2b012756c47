"""The forms that audio takes between the wire and a model: blocks of PCM, and chunks of them.

Everything downstream of the decoder is 16 kHz mono, 16-bit little-endian: half the bytes of
float32 on every hop, and what each of the models was trained on.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ = 16_000
BYTES_PER_SAMPLE = 2
WINDOW = 512
"""Samples, 32 ms: what a voice activity model looks at once."""

Pcm: TypeAlias = npt.NDArray[np.int16]
"""Samples of shape `(num_samples,)`, mono at `SAMPLE_RATE_HZ`."""


Channel: TypeAlias = Literal["mix", "split"] | int
"""`mix` averages all channels, `split` hears each for itself; a number picks one, from 0."""


MAX_SPLIT_CHANNELS = 4
"""A call has two; each needs a voice activity model of its own, ready in every decoder."""


@dataclass(frozen=True, slots=True)
class Block:
    """About a second of one channel, and where somebody may be speaking in it."""

    pcm: Pcm
    speech: bytes
    """One byte for each `WINDOW` samples begun: 1 where there may be speech, else 0."""
    channel: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of a recording that one row of a model's batch can hold."""

    pcm: bytes
    """PCM16LE mono at `SAMPLE_RATE_HZ`."""
    start_s: float
    """Where the chunk begins in its recording."""
    channel: int = 0
    """Of a recording whose channels are heard each for itself: which."""
    overlap_before_s: float = 0.0
    """Of its beginning: so much is the end of the chunk before as well, since the two were cut
    where somebody may be speaking."""
    overlap_behind_s: float = 0.0
    """Of its end: so much is the beginning of the next chunk as well."""

    @property
    def num_samples(self) -> int:
        return len(self.pcm) // BYTES_PER_SAMPLE

    @property
    def duration_s(self) -> float:
        return self.num_samples / SAMPLE_RATE_HZ

    def samples(self) -> Pcm:
        """The samples, without a copy."""
        return np.frombuffer(self.pcm, dtype="<i2")
