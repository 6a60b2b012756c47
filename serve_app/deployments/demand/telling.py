"""A recording's chunks in, their recognitions out, and the replicas told what waits behind them."""

import time
from collections.abc import Callable
from dataclasses import replace

from serve_app.deployments.demand.ahead import Ahead
from serve_app.deployments.demand.workload import Underway, Workload
from serve_app.models.protocols import (
    ChunkRecognizer,
    Demand,
    Recognition,
    RecognitionRequest,
)
from serve_app.telemetry import tracing

_EACH_S = 0.1
"""How often a demand is summed up anew: over a thousand recordings it takes a millisecond."""


class Teller:
    """What one process has to do for one model, as it tells it."""

    def __init__(
        self,
        caller: str,
        workload: Workload,
        ahead: Ahead,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._caller = caller
        self._workload = workload
        self._ahead = ahead
        self._clock = clock
        self._latest = Demand(caller, float("-inf"), 0.0, 0.0)

    def demand(self) -> Demand:
        now = self._clock()
        if not 0.0 <= now - self._latest.told_at < _EACH_S:
            waiting_s = self._workload.wanted_s(is_held_back=self._ahead.is_full)
            self._latest = Demand(self._caller, now, waiting_s, self._workload.arriving_per_s)
        return self._latest


class TellingRecognizer:
    """A recogniser that hands over no more than the replicas may hold, tells them what else there
    is, and tells this process what was done, and who did it."""

    def __init__(
        self,
        recognizer: ChunkRecognizer,
        underway: Underway,
        ahead: Ahead,
        teller: Teller,
        heard: Callable[[float], object] = lambda queue_s: None,
    ) -> None:
        """`heard` is told, with each hypothesis, what its chunk waited for its batch."""
        self._recognizer = recognizer
        self._underway = underway
        self._ahead = ahead
        self._teller = teller
        self._heard = heard

    async def recognize(self, request: RecognitionRequest) -> Recognition:
        """See `ChunkRecognizer`."""
        audio_s, asked_at = request.chunk.duration_s, time.perf_counter()
        where = {"chorus.start_s": request.chunk.start_s, "chorus.audio_s": audio_s}
        with tracing.span("chunk", where) as span:
            async with self._ahead.place(request.recording, audio_s):
                waited_s = time.perf_counter() - asked_at
                told = replace(request, demand=self._teller.demand(), trace=span.trace)
                recognition = await self._recognizer.recognize(told)
                self._underway.done(audio_s)
                self._ahead.answered(recognition.replica, recognition.allowance)
            span.set({"chorus.held_back_s": waited_s, "chorus.replica": recognition.replica})
        queue_s = recognition.queue_s + waited_s
        self._heard(queue_s)
        return replace(recognition, queue_s=queue_s)
