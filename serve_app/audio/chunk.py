"""Blocks of PCM in, chunks of a length that a model can take out, cut where nobody speaks.

A recording that one chunk can hold is that chunk. Of a longer one only what may be speech leaves,
with a margin; where speech goes on for longer than a chunk can hold, two neighbours share an
overlap, for whoever joins their words.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from serve_app.audio.listening import MARGIN_S
from serve_app.audio.speech import without_silence
from serve_app.audio.waveform import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, WINDOW, Block, Chunk, Pcm

_HOP = SAMPLE_RATE_HZ // 100
_SMOOTHING_HOPS = 30
"""300 ms: longer than the closure of a plosive, shorter than a pause between sentences."""
_SEARCHED_PART = 1 / 3
"""Of the longest chunk, at its end: where a cut may fall."""
_AS_QUIET = 1.5
"""Power within this factor of the least counts as equally quiet."""
_NOISE_POWER = 10.0
"""Square of some three steps of 16 bits; what is quieter than that is all equally quiet."""
_WINDOW_S = WINDOW / SAMPLE_RATE_HZ
_BYTES_PER_WINDOW = WINDOW * BYTES_PER_SAMPLE
_PAUSE_WINDOWS = 7
"""0.22 s without speech: longer than any closure within a word."""
_OVERLAP_S = 2.0
"""Of two chunks cut in the midst of speech: three or four words, by which they are joined."""
_OVERLAP_PART = 1 / 4
"""Of a short longest chunk, instead."""
_MIN_CHUNK_S = 0.5


class Chunker:
    """Cuts one channel of a recording while it arrives; its chunks are the same however the
    recording was divided into blocks."""

    def __init__(
        self, *, max_chunk_s: float, max_pause_s: float = float("inf"), channel: int = 0
    ) -> None:
        """`max_pause_s`: nobody speaking for longer ends a chunk, however short it is."""
        if max_chunk_s < _MIN_CHUNK_S:
            raise ValueError(f"a chunk of {max_chunk_s} s is shorter than {_MIN_CHUNK_S} s")
        self._max_samples = round(max_chunk_s * SAMPLE_RATE_HZ)
        self._max_windows = self._max_samples // WINDOW
        self._margin = round(MARGIN_S / _WINDOW_S)
        self._pause = round(min(max_pause_s, max_chunk_s / 2) / _WINDOW_S)
        self._enough = max(self._pause, 2 * self._margin)
        """Of a pause that still goes on: with both margins. So a cut depends on nothing to come."""
        self._overlap = round(min(_OVERLAP_S, max_chunk_s * _OVERLAP_PART) / _WINDOW_S / 2) * 2
        self._channel = channel
        self._pcm = bytearray()
        self._speech = bytearray()
        self._start = 0
        """Windows of the recording that are done with."""
        self._overlapping = 0
        """Windows at the beginning that the chunk before has as well."""
        self._fits_one_chunk = True

    @property
    def settled_s(self) -> float:
        """Whatever comes, no chunk will begin before this, its overlap aside."""
        return (self._start + self._overlapping) * _WINDOW_S

    def push(self, block: Block) -> Iterator[Chunk]:
        """The chunks that `block` completes."""
        self._pcm += block.pcm.astype("<i2", copy=False).tobytes()
        self._speech += block.speech
        if self._fits_one_chunk and len(self._pcm) > self._max_samples * BYTES_PER_SAMPLE:
            self._fits_one_chunk = False
        if not self._fits_one_chunk:
            yield from self._cut(is_whole=False)

    def flush(self) -> Iterator[Chunk]:
        """The rest of the recording; nothing follows."""
        if self._fits_one_chunk:
            if self._pcm:
                yield without_silence(Chunk(bytes(self._pcm), 0.0, self._channel))
            return
        yield from self._cut(is_whole=True)

    def _cut(self, *, is_whole: bool) -> Iterator[Chunk]:
        while True:
            num_windows = len(self._speech)
            speech = np.frombuffer(bytes(self._speech), np.uint8) != 0
            first = int(np.argmax(speech)) if speech.any() else num_windows
            if not self._overlapping:
                self._skip(min(max(0, first - self._margin), num_windows))
                speech = speech[num_windows - len(self._speech) :]
            if not speech.any():
                if is_whole:
                    self._skip(len(self._speech))
                return
            end = self._end_of_speech(speech, is_whole=is_whole)
            if end is not None:
                yield from self._take(end, end)
            elif len(speech) > self._max_windows + (0 if is_whole else self._enough):
                yield from self._divide(speech)
            else:
                return

    def _end_of_speech(self, speech: npt.NDArray[np.bool_], *, is_whole: bool) -> int | None:
        """Where a chunk ends behind which nobody speaks; None where there is no such place yet, or
        only beyond the longest chunk."""
        for begin, end in _runs(~speech):
            if begin == 0 and end < len(speech):
                continue  # the margin in front
            is_last = end == len(speech)
            enough = self._enough if is_last else self._pause
            if end - begin < enough and not (is_last and is_whole):
                continue
            cut = min(begin + self._margin, end if is_last else (begin + end) // 2)
            return cut if cut <= self._max_windows and begin > 0 else None
        if is_whole and len(speech) <= self._max_windows:
            return len(speech)
        return None

    def _divide(self, speech: npt.NDArray[np.bool_]) -> Iterator[Chunk]:
        """Cut speech that is too long for one chunk: in its last pause, else through it."""
        searched_from = self._max_windows - int(self._max_windows * _SEARCHED_PART)
        pauses = [
            (begin, end)
            for begin, end in _runs(~speech[: self._max_windows])
            if end - begin >= _PAUSE_WINDOWS and (begin + end) // 2 >= searched_from
        ]
        if pauses:
            begin, end = max(pauses, key=lambda pause: (pause[1] - pause[0], pause[0]))
            cut = (begin + end) // 2
            yield from self._take(cut, cut)
            return
        half = self._overlap // 2
        window = self._max_windows - half
        pcm = np.frombuffer(bytes(self._pcm[: window * _BYTES_PER_WINDOW]), dtype="<i2")
        cut = max(_quietest(pcm) // WINDOW, self._overlapping + 1)
        if speech[max(0, cut - half) : cut + half].any():
            yield from self._take(min(cut + half, len(speech)), max(cut - half, 1))
        else:
            yield from self._take(cut, cut)

    def _take(self, end: int, next_start: int) -> Iterator[Chunk]:
        """The chunk up to window `end`; the next one begins at `next_start`."""
        chunk = Chunk(
            bytes(self._pcm[: end * _BYTES_PER_WINDOW]),
            self._start * _WINDOW_S,
            self._channel,
            overlap_before_s=self._overlapping * _WINDOW_S,
            overlap_behind_s=(end - next_start) * _WINDOW_S,
        )
        self._skip(next_start)
        self._overlapping = end - next_start
        # What is shared is joined by its times, so both neighbours keep all of it.
        is_shared = chunk.overlap_before_s or chunk.overlap_behind_s
        yield chunk if is_shared else without_silence(chunk)

    def _skip(self, num_windows: int) -> None:
        del self._pcm[: num_windows * _BYTES_PER_WINDOW]
        del self._speech[:num_windows]
        self._start += num_windows


def _runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Begin and end of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in zip(edges[::2], edges[1::2], strict=True)]


def _quietest(window: Pcm) -> int:
    """Where to cut `window`: the middle of the longest quiet stretch in its last part."""
    num_hops = int(len(window) * _SEARCHED_PART) // _HOP
    if num_hops == 0:
        return len(window)
    searched = window[len(window) - num_hops * _HOP :]
    width = min(_SMOOTHING_HOPS, num_hops)
    power = _smoothed_power(searched.reshape(num_hops, _HOP), width)
    quiet = power <= power.min() * _AS_QUIET + _NOISE_POWER
    first, last = max(_runs(quiet), key=lambda run: (run[1] - run[0], run[0]))
    middle_hops = (first + last - 1 + width) / 2
    return len(window) - len(searched) + round(middle_hops * _HOP)


def _smoothed_power(hops: npt.NDArray[np.int16], width: int) -> npt.NDArray[np.float64]:
    """The variance of each `width` hops on end: power, whatever the DC offset."""
    exact = hops.astype(np.int64)

    def of_each_stretch(per_hop: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        sums = np.concatenate(([0], np.cumsum(per_hop)))
        return (sums[width:] - sums[:-width]) / (width * _HOP)

    mean = of_each_stretch(exact.sum(axis=1))
    return of_each_stretch((exact * exact).sum(axis=1)) - mean * mean
