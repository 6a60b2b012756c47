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


@dataclass(slots=True)
class _Stepped:
    """The steps of the segment under way."""

    began_at: float
    slowest: SteppedAt
    num_steps: int = 0
    model_s: float = 0.0
    ended_at: float = 0.0


class SegmentSpans:
    """Of one stream in one slot, where its trace is sampled."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._stepped: _Stepped | None = None

    def stepped(self, step: SteppedAt) -> None:
        stepped = self._stepped = self._stepped or _Stepped(step.began_at, step)
        stepped.num_steps += 1
        stepped.model_s += step.model_s
        stepped.ended_at = step.began_at + step.model_s
        stepped.slowest = max(stepped.slowest, step, key=lambda each: each.model_s)

    def ended(self, reason: str) -> None:
        """The segment is over, or the stream leaves its slot; nothing where it took no step."""
        stepped, self._stepped = self._stepped, None
        if stepped is None:
            return
        now, slowest = time.perf_counter(), stepped.slowest
        tracing.record(
            "segment",
            self._trace,
            tracing.time_ns_of(stepped.began_at, now=now),
            tracing.time_ns_of(stepped.ended_at, now=now),
            {
                "chorus.steps": stepped.num_steps,
                "chorus.model_s": stepped.model_s,
                "chorus.end": reason,
            },
        )
        began_ns = tracing.time_ns_of(slowest.began_at, now=now)
        tracing.record(
            "slowest step",
            self._trace,
            began_ns,
            began_ns + int(slowest.model_s * 1e9),
            {"chorus.streams": slowest.num_streams},
        )
