"""Runs in; plots of load, replicas and waits over time out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadtest.bench.machine import describe_machine
from loadtest.scaling import arms
from loadtest.scaling.results import LiveRun, Run

_COLOURS = {
    arms.AUDIO: "#0072b2", arms.REQUESTS: "#d55e00", arms.SLOTS: "#0072b2", arms.CALLS: "#d55e00",
}  # fmt: skip
"""Okabe and Ito's, which colour-blind readers can tell apart."""
_BIN_S = 2.0
_WAITS_S = (0.5, 1, 2, 5, 10, 20, 50, 100, 200)


def plot_loads(runs: Sequence[Run], path: Path) -> None:
    """A column for each load; load, replicas and waits below one another."""
    names = list(dict.fromkeys(run.load.name for run in runs))
    figure, axes = _figure(len(names), 5.0 * len(names))
    for column, name in enumerate(names):
        load, replicas, waits = axes[:, column]
        ours = [run for run in runs if run.load.name == name]
        _plot_load(load, ours[0])
        for run in ours:
            _plot_replicas(replicas, run.arm, run.trace)
            at_s = [each.arrival.at_s for each in run.outcomes]
            took_s = [each.took_s for each in run.outcomes]
            waits.plot(at_s, took_s, ".", markersize=3, alpha=0.6, color=_COLOURS[run.arm],
                       label=arms.NAMES[run.arm])  # fmt: skip
        load.set(title=f"{name}: {ours[0].load.story}")
        load.title.set_fontsize(8)
        waits.set(xlabel="seconds", yscale="log", ylim=(0.5, 200))
        waits.set_yticks(_WAITS_S, [f"{wait_s:g}" for wait_s in _WAITS_S])
        waits.minorticks_off()
        for axis in (load, replicas, waits):
            axis.set_xlim(0, ours[0].load.for_s + 15)
    axes[0, 0].set(ylabel="load, in full replicas")
    axes[1, 0].set(ylabel="replicas (dotted: starting, too)")
    axes[2, 0].set(ylabel="seconds to the answer")
    axes[2, 0].legend(fontsize=8)
    _save(figure, path)


def _plot_load(axis: Any, run: Run) -> None:
    count = int(run.load.for_s / _BIN_S) + 1
    bins = [0.0] * count
    for outcome in run.outcomes:
        bins[int(outcome.arrival.at_s / _BIN_S)] += outcome.arrival.audio_s / arms.PER_S / _BIN_S
    at_s = [index * _BIN_S for index in range(count)]
    axis.fill_between(at_s, bins, step="post", color="#999999", alpha=0.5, label="came")
    axis.plot(at_s, [run.load.level(at) for at in at_s], color="black", label="meant")
    axis.set_ylim(0, 10)
    axis.legend(fontsize=8)


def _plot_replicas(axis: Any, arm: str, trace: Any) -> None:
    axis.step(trace.at_s, trace.running, where="post", color=_COLOURS[arm], label=arms.NAMES[arm])
    axis.step(trace.at_s, trace.target, where="post", color=_COLOURS[arm], linestyle=":")
    axis.set_ylim(0, arms.MAX_REPLICAS + 0.5)


def plot_live(runs: Sequence[LiveRun], path: Path) -> None:
    figure, axes = _figure(1, 7.0)
    streams, replicas, waits = axes[:, 0]
    came = sorted(visit.came_at_s for visit in runs[0].visits)
    leave_s = 0.7 * runs[0].for_s
    streams.step([0, *came, leave_s], [0, *range(1, len(came) + 1), 0], where="post", color="black")
    for run in runs:
        _plot_replicas(replicas, run.arm, run.trace)
        taken = [visit for visit in run.visits if visit.waited_s is not None]
        waits.plot(
            [visit.came_at_s for visit in taken],
            [visit.waited_s for visit in taken],
            "o",
            color=_COLOURS[run.arm],
            label=arms.NAMES[run.arm],
        )
        never = [visit.came_at_s for visit in run.visits if visit.waited_s is None]
        waits.plot(never, [leave_s] * len(never), "x", color=_COLOURS[run.arm])
    streams.set(ylabel="streams that want a slot")
    replicas.set(ylabel="replicas (dotted: starting, too)")
    waits.set(ylabel="seconds to a slot (×: none)", xlabel="seconds", yscale="symlog")
    waits.legend(fontsize=8)
    for axis in (streams, replicas, waits):
        axis.set_xlim(0, runs[0].for_s)
    _save(figure, path)


def _figure(num_columns: int, width: float) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot.subplots(
        3, num_columns, figsize=(width, 8), layout="constrained", squeeze=False, sharex="col"
    )


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot

    figure.suptitle(f"simulated engine, {describe_machine()}", fontsize=9)
    figure.savefig(path, dpi=90, metadata={"Software": None})
    pyplot.close(figure)
