"""The steps of one stream in, a span for each of its segments out: a step is too little for one."""

import time
from dataclasses import dataclass

from serve_app.telemetry import tracing
from serve_app.telemetry.tracing import Trace


@dataclass(frozen=True, slots=True)
class SteppedAt:
    """One fused step; `began_at` by `time.perf_counter`."""

    began_at: float
    model_s: float
    num_streams: int


class SegmentSpans:
    """Of one stream in one slot, where its trace is sampled."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._clear()

    def stepped(self, step: SteppedAt) -> None:
        if self._began_at is None:
            self._began_at = step.began_at
        self._num_steps += 1
        self._model_s += step.model_s
        self._ended_at = step.began_at + step.model_s
        if self._slowest is None or step.model_s > self._slowest.model_s:
            self._slowest = step

    def ended(self, reason: str) -> None:
        """The segment is over, or the stream leaves its slot; nothing where it took no step."""
        if self._began_at is None or self._slowest is None:
            return
        now = time.perf_counter()
        began_ns = tracing.time_ns_of(self._began_at, now=now)
        ended_ns = tracing.time_ns_of(self._ended_at, now=now)
        tracing.record(
            "segment",
            self._trace,
            began_ns,
            ended_ns,
            {
                "chorus.steps": self._num_steps,
                "chorus.model_s": self._model_s,
                "chorus.end": reason,
            },
        )
        step_ns = tracing.time_ns_of(self._slowest.began_at, now=now)
        tracing.record(
            "slowest step",
            self._trace,
            step_ns,
            step_ns + int(self._slowest.model_s * 1e9),
            {"chorus.streams": self._slowest.num_streams},
        )
        self._clear()

    def _clear(self) -> None:
        self._began_at: float | None = None
        self._ended_at = 0.0
        self._num_steps = 0
        self._model_s = 0.0
        self._slowest: SteppedAt | None = None
