"""Blocks of PCM in, chunks of a length that a model can take out, cut where nobody speaks."""

import numpy as np
import numpy.typing as npt

from serve_app.audio.waveform import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, Chunk, Pcm

_HOP = SAMPLE_RATE_HZ // 100
_SMOOTHING_HOPS = 30
"""300 ms: longer than the closure of a plosive, shorter than a pause between sentences."""
_SEARCHED_PART = 1 / 3
"""Of the longest chunk, at its end: where a cut may fall."""
_AS_QUIET = 1.5
"""Power within this factor of the least counts as equally quiet."""
_NOISE_POWER = 10.0
"""Square of some three steps of 16 bits; what is quieter than that is all equally quiet."""


class Chunker:
    """Cuts one recording while it arrives.

    Its chunks cover the recording without gap or overlap, and are the same however the recording
    was divided into blocks.
    """

    def __init__(self, *, max_chunk_s: float) -> None:
        self._max_samples = round(max_chunk_s * SAMPLE_RATE_HZ)
        if self._max_samples < _HOP:
            raise ValueError(f"a chunk of {max_chunk_s} s is shorter than 10 ms")
        self._pending = bytearray()
        self._start = 0

    def push(self, block: Pcm) -> list[Chunk]:
        """The chunks that `block` completes."""
        self._pending += block.astype("<i2", copy=False).tobytes()
        chunks = []
        while len(self._pending) > self._max_samples * BYTES_PER_SAMPLE:
            window = np.frombuffer(
                bytes(self._pending[: self._max_samples * BYTES_PER_SAMPLE]), dtype="<i2"
            )
            chunks.append(self._take(_quietest(window)))
        return chunks

    def flush(self) -> list[Chunk]:
        """The rest of the recording: one chunk, or none if nothing is left."""
        num_samples = len(self._pending) // BYTES_PER_SAMPLE
        return [self._take(num_samples)] if num_samples else []

    def _take(self, num_samples: int) -> Chunk:
        num_bytes = num_samples * BYTES_PER_SAMPLE
        chunk = Chunk(bytes(self._pending[:num_bytes]), self._start / SAMPLE_RATE_HZ)
        del self._pending[:num_bytes]
        self._start += num_samples
        return chunk


def _quietest(window: Pcm) -> int:
    """Where to cut `window`: the middle of the longest quiet stretch in its last part."""
    num_hops = int(len(window) * _SEARCHED_PART) // _HOP
    if num_hops == 0:
        return len(window)
    searched = window[len(window) - num_hops * _HOP :]
    width = min(_SMOOTHING_HOPS, num_hops)
    power = _smoothed_power(searched.reshape(num_hops, _HOP), width)
    quiet = power <= power.min() * _AS_QUIET + _NOISE_POWER
    first, last = _longest_run(quiet)
    middle_hops = (first + last + width) / 2
    return len(window) - len(searched) + round(middle_hops * _HOP)


def _smoothed_power(hops: npt.NDArray[np.int16], width: int) -> npt.NDArray[np.float64]:
    """The variance of each `width` hops on end: power, whatever the DC offset."""
    exact = hops.astype(np.int64)

    def of_each_stretch(per_hop: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        sums = np.concatenate(([0], np.cumsum(per_hop)))
        return (sums[width:] - sums[:-width]) / (width * _HOP)

    mean = of_each_stretch(exact.sum(axis=1))
    return of_each_stretch((exact * exact).sum(axis=1)) - mean * mean


def _longest_run(flags: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """First and last index of the longest run of True; the later one of equals."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    firsts, ends = edges[::2], edges[1::2]
    longest = len(firsts) - 1 - int(np.argmax((ends - firsts)[::-1]))
    return int(firsts[longest]), int(ends[longest]) - 1
