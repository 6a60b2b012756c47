"""The model by itself: chunks in batches that waste as little as any can, one after the other."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loadtest.bench.clips import Clip
from serve_app.config import BatchConfig
from serve_app.models.protocols import RecognitionOptions, RecognitionRequest, Recognizer


@dataclass(frozen=True, slots=True)
class RawRun:
    """All clips through the model once."""

    wall_s: float
    cpu_s: float
    padded_s: float
    texts: tuple[str, ...]
    """Of each clip, in the order of the clips."""


def run_raw(recognizer: Recognizer, clips: Sequence[Clip], batch: BatchConfig) -> RawRun:
    """Sorted by length, cut by the budget that the configuration gives the server."""
    rows = [(index, chunk) for index, clip in enumerate(clips) for chunk in clip.chunks]
    rows.sort(key=lambda row: row[1].duration_s)
    requests = [RecognitionRequest(chunk, RecognitionOptions()) for _, chunk in rows]
    cuts = list(_cut(requests, batch))
    hypotheses = []
    cpu_began_s, began_at = time.process_time(), time.perf_counter()
    for first, end in cuts:
        hypotheses += recognizer.recognize(recognizer.prepare(requests[first:end]))
    wall_s, cpu_s = time.perf_counter() - began_at, time.process_time() - cpu_began_s
    said: list[list[tuple[float, str]]] = [[] for _ in clips]
    for (index, chunk), hypothesis in zip(rows, hypotheses, strict=True):
        said[index].append((chunk.start_s, hypothesis.text))
    return RawRun(
        wall_s,
        cpu_s,
        sum(requests[end - 1].chunk.duration_s * (end - first) for first, end in cuts),
        tuple(" ".join(text for _, text in sorted(parts) if text) for parts in said),
    )


def _cut(requests: Sequence[RecognitionRequest], batch: BatchConfig) -> Iterator[tuple[int, int]]:
    """First and end of each batch of `requests`, which ascend in length."""
    first = 0
    for index, request in enumerate(requests):
        count = index - first + 1
        over = request.chunk.duration_s * count > batch.max_batch_audio_s
        if count > 1 and (over or count > batch.max_batch_size):
            yield first, index
            first = index
    yield first, len(requests)
