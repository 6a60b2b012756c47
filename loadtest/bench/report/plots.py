"""What a finding wants drawn, in; a PNG out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadtest.bench.findings import Plot

_COLOURS = ("#0072b2", "#d55e00", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#999999")
"""Okabe and Ito's, which colour-blind readers can tell apart."""


def draw(plots: Sequence[Plot], path: Path, caption: str) -> None:
    """Side by side."""
    import matplotlib  # only a report needs it, and it is slow to import

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        1, len(plots), figsize=(6 * len(plots), 3.4), layout="constrained", squeeze=False
    )
    for plot, axis in zip(plots, axes[0], strict=True):
        {"bars": _bars, "lines": _lines, "stacked": _stacked}[plot.kind](plot, axis)
        axis.set_title(plot.title, fontsize=10)
        axis.set_xlabel(plot.x)
        axis.set_ylabel(plot.y)
    figure.suptitle(caption, fontsize=8)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def _bars(plot: Plot, axis: Any) -> None:
    names = list(dict.fromkeys(name for points in plot.series.values() for name, _ in points))
    height = 0.8 / len(plot.series)
    for number, (label, points) in enumerate(plot.series.items()):
        found = dict(points)
        offsets = [at + (number - (len(plot.series) - 1) / 2) * height for at in range(len(names))]
        drawn = axis.barh(
            offsets,
            [found.get(name, 0.0) for name in names],
            height,
            color=_COLOURS[number % len(_COLOURS)],
            label=label or None,
        )
        axis.bar_label(drawn, fmt="%.3g", fontsize=7, padding=2)
    axis.set_yticks(range(len(names)), names)
    axis.margins(x=0.12)
    _legend(plot, axis)


def _lines(plot: Plot, axis: Any) -> None:
    for number, (label, points) in enumerate(plot.series.items()):
        axis.plot(
            [x for x, _ in points],
            [y for _, y in points],
            "o-",
            color=_COLOURS[number % len(_COLOURS)],
            label=label or None,
        )
    axis.set_ylim(bottom=0)
    _legend(plot, axis)


def _stacked(plot: Plot, axis: Any) -> None:
    names = list(dict.fromkeys(name for points in plot.series.values() for name, _ in points))
    left = dict.fromkeys(names, 0.0)
    for number, (label, points) in enumerate(plot.series.items()):
        for name, value in points:
            axis.barh(
                names.index(name),
                value,
                left=left[name],
                color=_COLOURS[number % len(_COLOURS)],
                label=label if name == names[0] else None,
            )
            left[name] += value
    axis.set_yticks(range(len(names)), names)
    _legend(plot, axis)


def _legend(plot: Plot, axis: Any) -> None:
    if any(plot.series):
        axis.legend(
            fontsize=7, ncols=min(4, len(plot.series)), loc="upper center",
            bbox_to_anchor=(0.5, -0.16), frameon=False,
        )  # fmt: skip
