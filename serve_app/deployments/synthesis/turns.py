"""Sentences, in; their sound at the wanted rate, out: one at a time, first come first served.

The model's work runs in a thread of its own. Who leaves while waiting is forgotten; of who leaves
later the sentence under way is spoken to its end, which is bounded, and for nobody.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from serve_app.audio.resample import resampled
from serve_app.errors import AtCapacityError, EngineError
from serve_app.models.protocols import (
    ModelBrokenError,
    Speech,
    SynthesisRequest,
    Synthesizer,
    UnspeakableError,
)
from serve_app.telemetry import tracing

logger = logging.getLogger(__name__)

_RETRY_AFTER_S = 2.0
_MAX_FAILURES = 4
"""Sentences that failed with no success between: no longer theirs, but the model's fault."""


@dataclass(frozen=True, slots=True)
class SentenceReport:
    """What one sentence cost."""

    num_chars: int
    speech_s: float
    wait_s: float
    work_s: float


class Turns:
    """One model, and who waits for it."""

    def __init__(
        self, model: Synthesizer, *, max_waiting: int, report: Callable[[SentenceReport], object]
    ) -> None:
        self._model = model
        self._max_waiting = max_waiting
        self._report = report
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="synthesizer")
        self._work_began_at: float | None = None
        self._num_failures = 0
        self._num_inside = 0

    @property
    def num_waiting(self) -> int:
        """Sentences that nobody speaks yet."""
        return max(0, self._num_inside - 1)

    @property
    def busy_for_s(self) -> float:
        """How long the sentence under way has been; 0 if there is none."""
        began_at = self._work_began_at
        return 0.0 if began_at is None else time.monotonic() - began_at

    @property
    def is_broken(self) -> bool:
        """Whether the replica should be replaced: its model speaks no more."""
        return self._num_failures >= _MAX_FAILURES

    async def synthesize(self, request: SynthesisRequest, *, has_begun: bool = False) -> Speech:
        """See `SentenceSynthesizer`. What `has_begun` is a later sentence of a text, which waits
        however many do, so that it is brought to its end.

        Raises:
            AtCapacityError: too many wait.
            EngineError: it could not be spoken.
            ModelBrokenError: this replica speaks no more; another may.
        """
        name = self._model.info.name
        if self.is_broken:
            raise ModelBrokenError(name)
        if self.num_waiting >= self._max_waiting and not has_begun:
            raise AtCapacityError(f"the queue of {name} is full", _RETRY_AFTER_S)
        came_at = time.monotonic()
        with self._inside():
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, self._speak, request, came_at
            )

    @contextmanager
    def _inside(self) -> Iterator[None]:
        self._num_inside += 1
        try:
            yield
        finally:
            self._num_inside -= 1

    def _speak(self, request: SynthesisRequest, came_at: float) -> Speech:
        name = self._model.info.name
        began_at, began_ns = time.monotonic(), time.time_ns()
        self._work_began_at = began_at
        try:
            spoken = self._model.synthesize(request)
            wanted_hz = request.sample_rate_hz
            speech = Speech(resampled(spoken.pcm, spoken.sample_rate_hz, wanted_hz), wanted_hz)
        except UnspeakableError as error:
            raise EngineError(name, str(error)) from None
        except ModelBrokenError:
            self._num_failures = _MAX_FAILURES
            raise
        except Exception as error:  # the model's step: whatever it is, it is this sentence's
            logger.exception("a sentence could not be spoken")
            self._num_failures += 1
            raise EngineError(name, type(error).__name__) from None
        finally:
            self._work_began_at = None
        self._num_failures = 0
        work_s = time.monotonic() - began_at
        self._report(
            SentenceReport(len(request.text), speech.duration_s, began_at - came_at, work_s)
        )
        facts: tracing.Attributes = {"chorus.model": name, "chorus.speech_s": speech.duration_s}
        tracing.record("synthesize", request.trace, began_ns, time.time_ns(), facts)
        return speech

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._model.close()
