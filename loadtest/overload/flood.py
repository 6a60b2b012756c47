"""A server's address in, what it answered at its peak, at twice and at ten times as much out.

The peak is the best goodput of several numbers of callers, whether some of them are refused or not:
with few enough for nobody to be, the queue runs dry at times, and less would be called the most.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from loadtest.overload.callers import Callers, Outcome
from loadtest.overload.results import Phase, Repetition
from loadtest.overload.uploads import make_uploads
from serve_app.config import BatchConfig, ModelConfig, SimulatedConfig

COST = SimulatedConfig(fixed_s=0.25, per_audio_s=0.025)
BATCH = BatchConfig(max_batch_audio_s=60.0)
"""Some thirty audio seconds a second: so slow that the engine is what is full, not the CPU
that clients, proxy and server share."""
MAX_WAIT_S = 4.0
CALLERS = (8, 16, 32)
"""From where nobody is refused to where many are."""
_NUM_UPLOADS = 64


@dataclass(frozen=True, slots=True)
class Load:
    """How long each phase lasts, and how often they come."""

    repetitions: int = 5
    callers: Sequence[int] = CALLERS
    """Numbers of them, of which the best makes the peak."""
    settle_s: float = 8.0
    """Of each phase, which do not count."""
    measure_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Flood:
    """All that was seen."""

    by_callers: Mapping[int, Phase]
    """Each number of callers once, to find the best; taken again, it is the peak."""
    repetitions: Sequence[Repetition]

    @property
    def best_callers(self) -> int:
        return best_callers(self.by_callers)

    @property
    def failures(self) -> list[Outcome]:
        """What was neither answered nor refused as it should be."""
        phases = [*self.by_callers.values(), *(p for each in self.repetitions for p in each.phases)]
        return [failure for phase in phases for failure in phase.failures]


def best_callers(by_callers: Mapping[int, Phase]) -> int:
    """The number with the most goodput; the fewest of equals."""
    return max(sorted(by_callers), key=lambda number: by_callers[number].goodput)


def slow(model: ModelConfig) -> ModelConfig:
    """A simulated model, so slow that it is what is full."""
    return model.model_copy(update={"simulated": COST, "batch": BATCH})


async def flood(url: str, model: str, load: Load, told: Callable[[str], None]) -> Flood:
    """The best number of callers; then the peak, twice as much, ten times as much, the peak
    again, over and over."""
    uploads = make_uploads(_NUM_UPLOADS, model=model, host=urlsplit(url).netloc)
    callers = Callers(url, uploads)
    told("warming up")
    await callers.closed_loop(min(load.callers), load.settle_s)
    by_callers: dict[int, Phase] = {}
    for number in load.callers:
        told(f"{number} callers")
        by_callers[number] = await _peak(callers, number, load)
    best = best_callers(by_callers)
    repetitions = []
    told(f"the peak, of {best} callers")
    # Taken again, for the best of several is what luck made it, too.
    peak = await _peak(callers, best, load)
    for number in range(1, load.repetitions + 1):
        told(f"twice as much, {number} of {load.repetitions}")
        double = await _flood(callers, load, 2 * peak.answered_per_s)
        told(f"ten times as much, {number} of {load.repetitions}")
        tenfold = await _flood(callers, load, 10 * peak.answered_per_s)
        told(f"the peak again, {number} of {load.repetitions}")
        after = await _peak(callers, best, load)
        repetitions.append(Repetition(peak, double, tenfold, after))
        peak = after
    callers.close()
    return Flood(by_callers, repetitions)


async def _peak(callers: Callers, num_callers: int, load: Load) -> Phase:
    began_at = time.perf_counter()
    outcomes = await callers.closed_loop(num_callers, load.settle_s + load.measure_s)
    counts_from = began_at + load.settle_s
    return Phase(tuple(outcomes), counts_from, counts_from + load.measure_s)


async def _flood(callers: Callers, load: Load, per_s: float) -> Phase:
    began_at = time.perf_counter()
    outcomes = await callers.open_loop(per_s, load.settle_s + load.measure_s)
    counts_from = began_at + load.settle_s
    return Phase(tuple(outcomes), counts_from, counts_from + load.measure_s)
