"""A server's address in, what it answered at its peak, at twice and at ten times as much out."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from loadtest.overload.callers import Callers
from loadtest.overload.results import Phase, Repetition
from loadtest.overload.uploads import make_uploads
from serve_app.config import BatchConfig, ModelConfig, SimulatedConfig

COST = SimulatedConfig(fixed_s=0.25, per_audio_s=0.025)
BATCH = BatchConfig(max_batch_audio_s=60.0)
"""Some thirty audio seconds a second: so slow that the engine is what is full, not the CPU
that clients, proxy and server share."""
MAX_WAIT_S = 4.0
_NUM_UPLOADS = 64


@dataclass(frozen=True, slots=True)
class Load:
    """How long each phase lasts, and how often they come."""

    repetitions: int = 5
    callers: int = 32
    """At the peak."""
    settle_s: float = 8.0
    """Of each phase, which do not count."""
    measure_s: float = 20.0


def slow(model: ModelConfig) -> ModelConfig:
    """A simulated model, so slow that it is what is full."""
    return model.model_copy(update={"simulated": COST, "batch": BATCH})


async def flood(url: str, model: str, load: Load, told: Callable[[str], None]) -> list[Repetition]:
    """The peak, twice as much, ten times as much, the peak again, over and over."""
    uploads = make_uploads(_NUM_UPLOADS, model=model, host=urlsplit(url).netloc)
    callers = Callers(url, uploads)
    told("warming up")
    await callers.closed_loop(load.callers, load.settle_s)
    repetitions = []
    told("the peak")
    peak = await _peak(callers, load)
    for number in range(1, load.repetitions + 1):
        told(f"twice as much, {number} of {load.repetitions}")
        double = await _flood(callers, load, 2 * peak.answered_per_s)
        told(f"ten times as much, {number} of {load.repetitions}")
        tenfold = await _flood(callers, load, 10 * peak.answered_per_s)
        told(f"the peak again, {number} of {load.repetitions}")
        after = await _peak(callers, load)
        repetitions.append(Repetition(peak, double, tenfold, after))
        peak = after
    callers.close()
    return repetitions


async def _peak(callers: Callers, load: Load) -> Phase:
    began_at = time.perf_counter()
    outcomes = await callers.closed_loop(load.callers, load.settle_s + load.measure_s)
    counts_from = began_at + load.settle_s
    return Phase(tuple(outcomes), counts_from, counts_from + load.measure_s)


async def _flood(callers: Callers, load: Load, per_s: float) -> Phase:
    began_at = time.perf_counter()
    outcomes = await callers.open_loop(per_s, load.settle_s + load.measure_s)
    counts_from = began_at + load.settle_s
    return Phase(tuple(outcomes), counts_from, counts_from + load.measure_s)
