"""Questions in; what Prometheus answers, and which answers are empty, out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtest.watch.questions import DASHBOARDS, RULES, Panel, alerts_of, panels_of
from loadtest.watch.server import SCRAPE_EVERY_S, Prometheus

INTERVAL = f"{8 * SCRAPE_EVERY_S}s"
"""For rates: Grafana takes four scrapes at least."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Of one query of a panel: its series over the whole run."""

    panel: Panel
    legend: str
    expr: str
    series: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one alert."""

    name: str
    empty: tuple[str, ...]
    """What it compares and Prometheus does not have."""
    fired: str
    """The most that became of it: `inactive`, `pending` or `firing`."""


@dataclass(slots=True)
class Answers:
    dashboards: dict[str, list[Answer]] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def empty(self) -> list[str]:
        """What nobody would ever see."""
        of_panels = [
            f"{name}: {answer.panel.title}: {answer.expr}"
            for name, answers in self.dashboards.items()
            for answer in answers
            if not _values(answer.series)
        ]
        of_alerts = [f"{each.name}: {expr}" for each in self.verdicts for expr in each.empty]
        return of_panels + of_alerts


def ask(
    prometheus: Prometheus,
    start: float,
    end: float,
    *,
    dashboards: Sequence[Path] = DASHBOARDS,
    rules: Path = RULES,
) -> Answers:
    """Ask everything over one run.

    Raises:
        WatchError: a query is wrong.
    """
    answers = Answers()
    for path in dashboards:
        answers.dashboards[path.stem] = [
            Answer(panel, target.legend, target.expr, prometheus.over(target.expr, start, end))
            for panel in panels_of(path, interval=INTERVAL)
            for target in panel.targets
        ]
    states = _states(prometheus, start, end)
    for alert in alerts_of(rules):
        prometheus.instant(alert.expr)
        empty = [each for each in alert.operands if not _values(prometheus.over(each, start, end))]
        answers.verdicts.append(
            Verdict(alert.name, tuple(empty), states.get(alert.name, "inactive"))
        )
    return answers


def names_of(prometheus: Prometheus) -> set[str]:
    """The metrics of ours that were seen, as `docs/metrics.md` names them."""
    found = prometheus.instant('count by (__name__) ({__name__=~"ray_chorus_.*"})')
    names = {each["metric"]["__name__"] for each in found}
    histograms = {name.removesuffix("_bucket") for name in names if name.endswith("_bucket")}
    parts = {f"{name}_{part}" for name in histograms for part in ("bucket", "sum", "count")}
    return (names - parts) | histograms


def _states(prometheus: Prometheus, start: float, end: float) -> dict[str, str]:
    states: dict[str, str] = {}
    for each in prometheus.over("ALERTS", start, end):
        name, state = each["metric"]["alertname"], each["metric"]["alertstate"]
        if states.get(name) != "firing":
            states[name] = state
    return states


def _values(series: list[dict[str, Any]]) -> list[float]:
    """Those that are numbers: a quantile of nothing is none."""
    values = [float(value) for each in series for _, value in each["values"]]
    return [value for value in values if value == value]
