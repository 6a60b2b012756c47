"""Audio of a live stream that is not final yet: kept, so that it can be sent once more."""

from collections import deque
from collections.abc import Iterator

RATE_HZ = 16_000
BYTES_PER_SAMPLE = 2


class KeptAudio:
    """Blocks of PCM16 since the last final word, and when each was handed over."""

    def __init__(self) -> None:
        self._blocks: deque[bytes] = deque()
        self._sent_at: deque[tuple[int, float]] = deque()
        self._first_sample = 0
        self._num_samples = 0
        self._num_asked = 0

    @property
    def sent_s(self) -> float:
        """Audio of the stream so far."""
        return self._num_samples / RATE_HZ

    @property
    def kept_s(self) -> float:
        return (self._num_samples - self._first_sample) / RATE_HZ

    def __iter__(self) -> Iterator[bytes]:
        return iter(tuple(self._blocks))

    def add(self, pcm: bytes, now_s: float) -> None:
        self._blocks.append(pcm)
        self._num_samples += len(pcm) // BYTES_PER_SAMPLE
        self._sent_at.append((self._num_samples, now_s))

    def sent_since(self, then_s: float) -> float:
        """Audio handed over since then, in seconds, as far as nobody has asked when it was."""
        since = [samples for samples, at in self._sent_at if at >= then_s]
        return (self._num_samples - since[0]) / RATE_HZ if since else 0.0

    def drop_before(self, time_s: float) -> None:
        """Forget what lies before `time_s` of the stream: it is final."""
        first_sample = min(round(time_s * RATE_HZ), self._num_samples)
        while self._blocks and first_sample > self._first_sample:
            block = self._blocks.popleft()
            num_dropped = min(len(block) // BYTES_PER_SAMPLE, first_sample - self._first_sample)
            self._first_sample += num_dropped
            if rest := block[num_dropped * BYTES_PER_SAMPLE :]:
                self._blocks.appendleft(rest)

    def sent_at(self, time_s: float) -> float | None:
        """When the audio up to `time_s` was first handed over; None where that was asked before,
        as it is of audio that had to be sent again."""
        sample = round(time_s * RATE_HZ)
        if sample <= self._num_asked:
            return None
        self._num_asked = sample
        while self._sent_at and self._sent_at[0][0] < sample:
            self._sent_at.popleft()
        return self._sent_at[0][1] if self._sent_at else None
