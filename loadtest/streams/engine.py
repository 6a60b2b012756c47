"""What one fused step of N streams costs the model alone, beside N steps of one stream each."""

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loadtest.streams.utterances import Recording
from serve_app.config import ModelConfig
from serve_app.models.loader import load_streaming_recognizer
from serve_app.models.protocols import StreamFrame, StreamingRecognizer, StreamOptions

_SAMPLE_RATE_HZ = 16_000


@dataclass(frozen=True, slots=True)
class StepCost:
    """Of one number of streams."""

    num_streams: int
    step_s: float
    """Median of the fused step."""
    audio_s: float
    """That one step takes of each stream."""

    @property
    def share_of_real_time(self) -> float:
        """Above 1 the model alone cannot hold them."""
        return self.step_s / self.audio_s


def step_costs(
    config: ModelConfig, counts: Sequence[int], recordings: Sequence[Recording], num_steps: int
) -> list[StepCost]:
    """Interleaved: rounds of each count, so that all share the moods of the machine."""
    model = load_streaming_recognizer(config)
    audio_s = model.step_samples / _SAMPLE_RATE_HZ
    counts = [count for count in counts if count <= model.num_slots]
    times_s: dict[int, list[float]] = {count: [] for count in counts}
    num_rounds = 4
    for _ in range(num_rounds):
        for count in counts:
            times_s[count] += _steps(model, count, recordings, num_steps // num_rounds)
    return [StepCost(count, statistics.median(times_s[count]), audio_s) for count in counts]


def _steps(
    model: StreamingRecognizer, count: int, recordings: Sequence[Recording], num_steps: int
) -> Iterator[float]:
    for slot in range(count):
        model.occupy(slot, StreamOptions())
    size = 2 * model.step_samples
    for step in range(num_steps):
        frames = [StreamFrame(slot, _frame(recordings[slot % len(recordings)], step, size))
                  for slot in range(count)]  # fmt: skip
        began_at = time.perf_counter()
        model.step(frames)
        yield time.perf_counter() - began_at
    for slot in range(count):
        model.release(slot)


def _frame(recording: Recording, step: int, size: int) -> bytes:
    start = step * size % (len(recording.pcm) - size)
    start -= start % 2
    return recording.pcm[start : start + size]
