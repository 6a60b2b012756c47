"""What happens to one recording, in; how long each stage took, to metrics and spans."""

import time
from types import TracebackType
from typing import Self

from serve_app.telemetry import tracing
from serve_app.telemetry.metrics.preprocessor import PreprocessorMetrics
from serve_app.telemetry.tracing import Trace
from serve_app.transcript.types import Transcript


class RecordingWatch:
    """One recording in its preprocessor, from its bytes to its transcript.

    Entered, it makes this task, and what that begins, work for its span.
    """

    def __init__(self, metrics: PreprocessorMetrics, model: str, trace: Trace | None) -> None:
        """`trace`: of the request that brought it."""
        self._metrics = metrics
        self._tags = {"model": model}
        self._span = tracing.start("transcribe", {"chorus.model": model}, parent=trace)
        self._began_at = time.perf_counter()
        self._first_block_at: float | None = None
        self._heard_at = self._began_at
        self._audio_s = 0.0
        self._is_whole = False

    def __enter__(self) -> Self:
        tracing.enter(self._span.trace)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None and not self._is_whole:
            if issubclass(kind, Exception):
                self._span.fail(kind.__name__)
            else:  # cancelled, or read no further: nobody waits for it any more
                self._span.set({"chorus.outcome": "left"})
        self._span.end()

    def decoded(self, audio_s: float) -> None:
        """More of it has left the decoder."""
        if self._first_block_at is None:
            self._first_block_at = time.perf_counter()
        self._audio_s += audio_s

    def decoded_all(self) -> None:
        now = self._heard_at = time.perf_counter()
        first_at = now if self._first_block_at is None else self._first_block_at
        self._record(
            "decode",
            self._began_at,
            now,
            {
                "chorus.audio_s": self._audio_s,
                "chorus.first_block_s": first_at - self._began_at,
            },
        )

    def settled(self, at_s: float) -> None:
        """Up to here nothing is left to do."""

    def heard(self, queue_s: float) -> None:
        """A chunk has its hypothesis; `queue_s` is what it waited for its batch."""
        self._heard_at = time.perf_counter()
        self._metrics.queue_s.observe(queue_s, tags=self._tags)

    def transcribed(self, transcript: Transcript) -> None:
        self._is_whole = True
        now, tags = time.perf_counter(), self._tags
        if transcript.duration_s:
            self._metrics.audio_s.inc(transcript.duration_s, tags=tags)
        times = transcript.stage_times
        self._metrics.decode_s.observe(times.decode_s)
        self._metrics.merge_s.observe(now - self._heard_at, tags=tags)
        self._metrics.whole_s.observe(now - self._began_at, tags=tags)
        self._record("merge", self._heard_at, now, {"chorus.segments": len(transcript.segments)})
        self._span.set(
            {
                "chorus.audio_s": transcript.duration_s,
                "chorus.decode_s": times.decode_s,
                "chorus.queue_s": times.queue_s,
                "chorus.model_s": times.model_s,
            }
        )

    def _record(
        self, name: str, began_at: float, ended_at: float, attributes: tracing.Attributes
    ) -> None:
        if self._span.trace is not None:
            now = time.perf_counter()
            began_ns = tracing.time_ns_of(began_at, now=now)
            ended_ns = tracing.time_ns_of(ended_at, now=now)
            tracing.record(name, self._span.trace, began_ns, ended_ns, attributes)
