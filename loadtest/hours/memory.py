"""A process in, the memory of all that it started over time out, by what they are. Linux only."""

import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from loadtest.bench.cpu import descendants, group_of

_EVERY_S = 2.0
_FLAT_MIB, _FLAT_PART = 24.0, 0.1
"""As `tests/long/soak_figures.py` has it: allocators and Ray's own tables breathe."""


@dataclass(frozen=True, slots=True)
class MemorySample:
    at_s: float
    """Since the watch began."""
    mib: Mapping[str, float]
    """By group of processes; what several share is shared out between them (PSS)."""


@dataclass(frozen=True, slots=True)
class Held:
    """What one group of processes held."""

    start_mib: float
    second_quarter_mib: float
    last_quarter_mib: float
    largest_mib: float

    @property
    def is_flat(self) -> bool:
        grown_mib = self.last_quarter_mib - self.second_quarter_mib
        return grown_mib <= max(_FLAT_MIB, self.second_quarter_mib * _FLAT_PART)


class MemoryWatch:
    """Samples while it is entered, in a thread of its own."""

    def __init__(self, root_pid: int, every_s: float = _EVERY_S) -> None:
        self.samples: list[MemorySample] = []
        self._root_pid = root_pid
        self._every_s = every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        began_at = time.monotonic()
        while True:
            at_s = time.monotonic() - began_at
            self.samples.append(MemorySample(at_s, memory_mib_by_group(self._root_pid)))
            if self._over.wait(self._every_s):
                return


def memory_mib_by_group(root_pid: int) -> dict[str, float]:
    """Proportional set sizes; of a process that ends meanwhile, nothing."""
    groups: dict[str, float] = defaultdict(float)
    for pid in descendants(root_pid):
        try:
            held = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        for line in held.splitlines():
            if line.startswith("Pss:"):
                groups[group_of(pid, root_pid)] += int(line.split()[1]) / 1024
    return dict(groups)


def held_by_group(samples: Sequence[MemorySample]) -> dict[str, Held]:
    """The largest first."""
    groups = {group for sample in samples for group in sample.mib}
    quarter = max(1, len(samples) // 4)

    def held(group: str) -> Held:
        mib = [sample.mib.get(group, 0.0) for sample in samples]
        return Held(
            mib[0],
            statistics.median(mib[quarter : 2 * quarter] or mib),
            statistics.median(mib[-quarter:]),
            max(mib),
        )

    found = {group: held(group) for group in groups}
    return dict(sorted(found.items(), key=lambda each: -each[1].largest_mib))
