"""Results in; the plots of the page out."""

from pathlib import Path

from loadtest.bench.machine import describe_machine
from loadtest.hours.results import Results

_COLOURS = ("#0072b2", "#d55e00", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#f0e442", "#999999")
"""Okabe and Ito's, which colour-blind readers can tell apart."""


def plot(results: Results, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (memory, times, scaling) = pyplot.subplots(1, 3, figsize=(14, 4), layout="constrained")
    at_s = [sample.at_s for sample in results.memory]
    for group, colour in zip(results.held, _COLOURS, strict=False):
        mib = [sample.mib.get(group, 0.0) for sample in results.memory]
        memory.plot(at_s, mib, color=colour, label=group)
    memory.set(xlabel="seconds of the job", ylabel="MiB", title="Memory", ylim=(0, None))
    memory.legend(fontsize=7, ncols=2)
    for timing, colour, name in (
        (results.comparison.vs_truth, _COLOURS[2], "whole − truth, digits"),
        (results.comparison.vs_alone, _COLOURS[0], "whole − alone"),
    ):
        hours = [at / 3600 for at, _ in timing.off_s]
        offs_ms = [off * 1000 for _, off in timing.off_s]
        times.plot(hours, offs_ms, ".", markersize=1.5, color=colour, label=name)
    times.axhline(200, color="grey", linestyle="--")
    times.axhline(-200, color="grey", linestyle="--")
    times.set(xlabel="hours of the recording", ylabel="ms", title="Middles of words")
    times.legend(fontsize=7)
    if results.scales:
        counts = [scale.num_replicas for scale in results.scales]
        first = results.scales[0]
        ups = [first.job_s / scale.job_s for scale in results.scales]
        scaling.plot(
            counts, [count / counts[0] for count in counts], "--", color="grey", label="ideal"
        )
        scaling.plot(counts, ups, "o-", color=_COLOURS[0], label="one recording")
        scaling.set_xscale("log", base=2)
        scaling.set_yscale("log", base=2)
        scaling.set_xticks(counts, [str(count) for count in counts])
        scaling.set_yticks(counts, [str(count) for count in counts])
        scaling.set(xlabel="replicas of the simulated engine", title="Speed-up")
        scaling.legend()
    figure.suptitle(f"{results.model}, {describe_machine()}", fontsize=9)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
