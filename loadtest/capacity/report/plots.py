"""Trials in; plots as SVG, to stand in a page, out."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from loadtest.capacity.results import Found, Results, tries_of
from loadtest.capacity.search.trials import Trial, broken_streams, broken_uploads

_BLUE, _ORANGE, _GREEN, _RED, _GREY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#888888"
"""Okabe and Ito's, which colour-blind readers can tell apart."""
_PERCENTILES = ((0.5, _BLUE, "o-"), (0.95, _ORANGE, "s-"), (0.99, _RED, "^-"))
_SHARES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)


def plots(results: Results) -> dict[str, str]:
    """By title."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "chorus", "font.size": 9, "axes.grid": True,
                                "grid.alpha": 0.3, "axes.spines.top": False,
                                "axes.spines.right": False})  # fmt: skip
    found: dict[str, str] = {}
    if results.uploads:
        found["Uploads: how long they take"] = _upload_latency(results, results.uploads)
        found["Uploads: what comes through"] = _throughput(results.uploads)
    if results.streams:
        found["Live streams: how late their texts are"] = _stream_lag(results, results.streams)
    knees = [each for each in (results.uploads, results.streams) if each and each.confirmed]
    if knees:
        found["At the knee: by percentile"] = _by_percentile(results)
    for title, costs in (
        ("CPU-ms of an upload", results.upload_cpu_s()),
        ("CPU-ms of a second of a live stream", results.stream_cpu_s()),
    ):
        if costs:
            found[title] = _bars(costs)
    return found


def _upload_latency(results: Results, found: Found) -> str:
    figure, axes = _figure("uploads a second, at full speed", "seconds")
    trials = [trial for trial in tries_of(found) if trial.answered and trial is not found.overload]
    loads = [trial.load * trial.dilation for trial in trials]
    for share, colour, style in _PERCENTILES:
        times_s = [trial.latency_s(share) for trial in trials]
        axes.plot(loads, times_s, style, color=colour, label=f"p{share * 100:.0f}", ms=4)
    axes.axhline(results.objective.upload_p95_s, color=_GREY, ls="--", label="objective, p95")
    broken = [t for t in trials if broken_uploads(t, results.objective)]
    _mark(axes, found, [t.load * t.dilation for t in broken])
    axes.set_yscale("log")
    axes.legend(fontsize=8)
    return _svg(figure)


def _throughput(found: Found) -> str:
    figure, axes = _figure("uploads a second that come, at full speed", "answered a second")
    trials = tries_of(found)
    loads = [trial.load * trial.dilation for trial in trials]
    axes.plot(loads, loads, "--", color=_GREY, label="all of them")
    axes.plot(loads, [trial.per_s for trial in trials], "o-", color=_GREEN, ms=4, label="answered")
    _mark(axes, found, [])
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)
    return _svg(figure)


def _stream_lag(results: Results, found: Found) -> str:
    figure, axes = _figure("live streams at once", "ms")
    trials = [trial for trial in tries_of(found) if trial.answered]
    loads = [trial.load for trial in trials]
    for name, style, of in (("final text", "o-", Trial.latency_s), ("text", "s--", Trial.lag_s)):
        for share, colour in ((0.5, _BLUE), (0.95, _ORANGE)):
            late_ms = [of(trial, share) * 1e3 for trial in trials]
            label = f"{name}, p{share * 100:.0f}"
            axes.plot(loads, late_ms, style, color=colour, label=label, ms=4)
    axes.axhline(results.objective.final_p95_s * 1e3, color=_GREY, ls="--", label="objective")
    broken = [t for t in trials if broken_streams(t, results.objective)]
    _mark(axes, found, [t.load for t in broken])
    axes.set_yscale("log")
    axes.legend(fontsize=8)
    return _svg(figure)


def _by_percentile(results: Results) -> str:
    figure, axes = _figure("percentile", "seconds")
    places = range(len(_SHARES))
    for name, found, colour in (
        ("uploads", results.uploads, _BLUE),
        ("final texts of live streams", results.streams, _ORANGE),
    ):
        if found and found.confirmed:
            times_s = [found.confirmed.latency_s(share) for share in _SHARES]
            axes.plot(places, times_s, "o-", color=colour, label=name, ms=4)
    axes.set_xticks(list(places), [f"{share * 100:g}" for share in _SHARES])
    axes.set_yscale("log")
    axes.legend(fontsize=8)
    return _svg(figure)


def _bars(costs: Mapping[str, float]) -> str:
    figure, axes = _figure("CPU-ms", "")
    named = [(group, cost * 1e3) for group, cost in costs.items() if cost > 0][::-1]
    axes.barh([group for group, _ in named], [cost for _, cost in named], color=_BLUE)
    return _svg(figure)


def _mark(axes: Any, found: Found, broken: Sequence[float]) -> None:
    if found.confirmed:
        trial = found.confirmed
        load = trial.load * (1.0 if trial.kind == "streams" else trial.dilation)
        axes.axvline(load, color=_GREEN, ls=":", label="the knee")
    for index, load in enumerate(broken):
        axes.axvspan(load * 0.985, load * 1.015, color=_RED, alpha=0.15,
                     label="" if index else "broke the objective")  # fmt: skip


def _figure(across: str, up: str) -> tuple[Any, Any]:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5.6, 3.4), layout="constrained")
    axes.set(xlabel=across, ylabel=up)
    return figure, axes


def _svg(figure: Any) -> str:
    from matplotlib import pyplot

    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    text = file.getvalue()
    return text[text.index("<svg") :]
