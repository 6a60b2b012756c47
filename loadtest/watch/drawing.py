"""The answers to one dashboard in; its panels as one PNG out."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from loadtest.watch.answers import Answer
from loadtest.watch.server import SCRAPE_EVERY_S

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9", "#8c510a", "#999999")
"""Okabe and Ito's, which colour-blind readers can tell apart."""
_UNITS = {
    "s": "s",
    "reqps": "a second",
    "ops": "a second",
    "percentunit": "%",
    "bytes": "MB",
    "short": "",
    "none": "",
}
_SCALES = {"percentunit": 100.0, "bytes": 1e-6}
_COLUMNS = 3
_MAX_SERIES = 8
_LONG_LABEL = 28
"""Of which two do not fit beside each other."""


def draw(answers: list[Answer], path: Path, *, title: str, start: float) -> None:
    """Time counts from `start`, in seconds."""
    import matplotlib  # only a report needs it, and it is slow to import

    matplotlib.use("Agg")
    from matplotlib import pyplot

    by_panel: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_panel[answer.panel.title].append(answer)
    num_rows = -(-len(by_panel) // _COLUMNS)
    figure, axes = pyplot.subplots(
        num_rows, _COLUMNS, figsize=(5.2 * _COLUMNS, 3.1 * num_rows),
        layout="constrained", squeeze=False, sharex=True,
    )  # fmt: skip
    for axis, (name, found) in zip(axes.flat, by_panel.items(), strict=False):
        _draw_panel(axis, name, found, start)
    for axis in axes.flat[len(by_panel) :]:
        axis.axis("off")
    for axis in axes[-1]:
        axis.set_xlabel("seconds of the run")
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=100, metadata={"Software": None})
    pyplot.close(figure)


def _draw_panel(axis: Any, name: str, answers: list[Answer], start: float) -> None:
    unit = answers[0].panel.unit
    lines = [
        (_label(answer.legend, each["metric"]), _points(each, unit, start))
        for answer in answers
        for each in answer.series
    ]
    lines = [line for line in lines if line[1]]
    lines.sort(key=lambda line: -max(y for _, y in line[1]))
    shown = sorted(lines[:_MAX_SERIES], key=lambda line: line[0])
    if answers[0].panel.is_stacked:
        _stack(axis, shown)
    else:
        for number, (label, points) in enumerate(shown):
            axis.plot(*_with_gaps(points), color=_COLOURS[number], label=label, lw=1.4)
    axis.set_title(name, fontsize=10, loc="left")
    axis.set_ylabel(_UNITS.get(unit, unit), fontsize=8)
    num_columns = 1 if any(len(label) > _LONG_LABEL for label, _ in shown) else 2
    num_lines = -(-len(shown) // num_columns)
    _leave_room(axis, num_lines, is_logarithmic=answers[0].panel.is_logarithmic)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    if shown:
        legend = axis.legend(fontsize=7, frameon=False, ncols=num_columns, loc="upper left")
        legend.set_in_layout(False)


def _leave_room(axis: Any, num_lines: int, *, is_logarithmic: bool) -> None:
    """For the legend, above what is drawn."""
    if is_logarithmic:
        axis.set_yscale("log")
        low, high = axis.get_ylim()
        axis.set_ylim(low, high * (high / low) ** (0.11 * num_lines))
    else:
        axis.set_ylim(0, axis.get_ylim()[1] * (1 + 0.1 * num_lines))


def _with_gaps(points: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """What was not there is not drawn."""
    xs: list[float] = []
    ys: list[float] = []
    for x, y in points:
        if xs and x - xs[-1] > 1.5 * SCRAPE_EVERY_S:
            xs.append(x)
            ys.append(float("nan"))
        xs.append(x)
        ys.append(y)
    return xs, ys


def _stack(axis: Any, lines: list[tuple[str, list[tuple[float, float]]]]) -> None:
    times = sorted({x for _, points in lines for x, _ in points})
    rows = [[dict(points).get(x, 0.0) for x in times] for _, points in lines]
    axis.stackplot(
        times, rows, labels=[label for label, _ in lines], colors=_COLOURS, alpha=0.75, lw=0
    )


def _points(series: dict[str, Any], unit: str, start: float) -> list[tuple[float, float]]:
    scale = _SCALES.get(unit, 1.0)
    points = [(float(at) - start, float(value) * scale) for at, value in series["values"]]
    return [(x, y) for x, y in points if y == y and abs(y) != float("inf")]


def _label(legend: str, labels: dict[str, str]) -> str:
    """As Grafana fills it in."""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), legend)
