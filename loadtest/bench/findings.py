"""What a point of the benchmark finds, as the report takes it: figures, tables, plots, words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from loadtest.bench.ratios import Estimate

Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Figure:
    """One headline: what was found, its control, and what it should be."""

    name: str
    found: Estimate
    control: Estimate | None = None
    """The same taken of two equal arms, which should be 1."""
    aim: float | None = None
    is_at_most: bool = False
    """Whether less is better."""
    digits: int = 3
    unit: str = ""

    @property
    def is_met(self) -> bool | None:
        """None where there is no aim."""
        if self.aim is None:
            return None
        return self.found.median <= self.aim if self.is_at_most else self.found.median >= self.aim


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    head: Row
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Plot:
    """Bars: a value for each name. Lines: values over x. Stacked: shares of a whole, by name."""

    title: str
    kind: Literal["bars", "lines", "stacked"]
    series: Mapping[str, Sequence[tuple[Any, float]]]
    """Of each series its points: (name or x, value)."""
    x: str = ""
    y: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One point of the benchmark."""

    point: int
    title: str
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    plots: Sequence[Plot] = ()
    words: Sequence[str] = ()
    """Paragraphs: how it was taken, and what falls short and why."""
    raw: Mapping[str, Any] = field(default_factory=dict)
    """Single values behind the figures, for the JSON file."""
    took_s: float = 0.0
    taken_on: str = ""
    """A date, and what else the machine did."""
    machine: str = ""
    commit: str = ""
    """Of the code that was measured; empty where nobody wrote it down."""
    plan: Mapping[str, Any] = field(default_factory=dict)
    """How much was measured, as the plan's fields."""


class Told(Protocol):
    """Where a point says how far it is."""

    def steps(self, count: int) -> None:
        """So many steps will follow."""
        ...

    def step(self, what: str) -> None:
        """The next one begins."""
        ...
