"""Results in; a printed table, a page of Markdown and a plot out."""

from collections.abc import Iterator
from pathlib import Path

from loadtest.bench.machine import describe_machine, describe_versions
from loadtest.streams.results import HELD_FINAL_S, Level, Results


def print_tables(results: Results) -> None:
    print("\n".join(_body(results)))


def write(results: Results, path: Path) -> None:
    """The page at `path`, and its plot beside it as PNG."""
    plot_path = path.with_suffix(".png")
    lines = [
        "# Live streams",
        "",
        f"- Machine: {describe_machine()}",
        f"- Versions: {describe_versions()}",
        f"- Model: {results.model}, of {results.config}",
        "- Speech: strings of digits that real people said, at real-time pace over `/asr` in",
        "  packets of 100 ms; the callers run on the same machine and take their share of it.",
        "",
        *_body(results),
        "",
        f"![What a step costs, and how late words come]({plot_path.name})",
        "",
        f"Taken by `python -m loadtest.streams --config {results.config}`.",
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    _plot(results, plot_path)


def _body(results: Results) -> Iterator[str]:
    yield "## The model alone: one fused step"
    yield ""
    yield "| streams | step, ms | as N steps of one, ms | fused ÷ apart | share of real time |"
    yield "|---:|---:|---:|---:|---:|"
    alone_s = results.costs[0].step_s / results.costs[0].num_streams
    for cost in results.costs:
        apart_s = alone_s * cost.num_streams
        yield (
            f"| {cost.num_streams} | {cost.step_s * 1000:.1f} | {apart_s * 1000:.1f} "
            f"| {cost.step_s / apart_s:.2f} | {cost.share_of_real_time:.2f} |"
        )
    yield ""
    yield (
        f"A step takes {results.costs[0].audio_s * 1000:.0f} ms of audio of each stream; by these "
        f"costs the model alone would hold {results.bound or 'more than was measured'}."
    )
    yield ""
    yield "## Served: how late words come"
    yield ""
    yield (
        "| streams | word on show after its end, ms (p50 / p95 / p99) "
        "| final text after the end, ms | word errors | held |"
    )
    yield "|---:|---:|---:|---:|---|"
    yield from map(_row, results.levels)
    yield ""
    most = results.most_held
    yield (
        f"Held means that all came to their end and 95 of 100 final texts within {HELD_FINAL_S} s; "
        f"the most that was held: {most.num_streams if most else 'none'}."
    )


def _row(level: Level) -> str:
    held = "yes" if level.is_held else "NO"
    if level.failures:
        held += f": {len(level.failures)} × {level.failures[0][:80]}"
    return (
        f"| {level.num_streams} | {level.word_lag or '–'} | {level.final_lag or '–'} "
        f"| {level.word_error_rate:.1%} | {held} |"
    )


def _plot(results: Results, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    counts = [cost.num_streams for cost in results.costs]
    alone_ms = results.costs[0].step_s / counts[0] * 1000
    left.plot(counts, [cost.step_s * 1000 for cost in results.costs], "o-", label="one fused step")
    left.plot(counts, [alone_ms * count for count in counts], "--", label="a step for each")
    left.axhline(results.costs[0].audio_s * 1000, color="grey", label="real time")
    left.set(xlabel="streams", ylabel="ms", title="What a step costs the model")
    left.legend()
    served = [level for level in results.levels if level.word_lag and level.final_lag]
    held = [level.num_streams for level in served]
    for name, style in (("p50", "o-"), ("p95", "s--")):
        for what, lag in (("word", "word_lag"), ("final text", "final_lag")):
            lags_ms = [getattr(getattr(level, lag), name) * 1000 for level in served]
            right.plot(held, lags_ms, style, label=f"{what} {name}")
    right.set(xlabel="streams", ylabel="ms", title="How late it comes", yscale="log")
    right.legend()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
