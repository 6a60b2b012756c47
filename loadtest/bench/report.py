"""Results in; a printed table, a page of Markdown and a plot out."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from loadtest.bench.machine import describe_machine, describe_versions
from loadtest.bench.results import Results, Spread, Stages

Row = Sequence[str]

_COLOURS = {"decode": "#e69f00", "queue": "#cccccc", "model": "#0072b2", "rest": "#d55e00"}
"""Okabe and Ito's, which colour-blind readers can tell apart."""


def print_tables(results: Results) -> None:
    console = Console()
    for title, head, rows in _tables(results):
        table = Table(title=title, title_justify="left")
        for column, name in enumerate(head):
            table.add_column(name, justify="left" if column == 0 else "right")
        for row in rows:
            table.add_row(*row)
        console.print(table)


def write(results: Results, path: Path) -> None:
    """The page at `path`, and its plot beside it as PNG."""
    plot_path = path.with_suffix(".png")
    lines = ["# Served beside raw", "", *_facts(results), ""]
    for title, head, rows in _tables(results):
        lines += [f"## {title}", "", *_markdown(head, rows), ""]
    lines += [
        f"![Where the time of a request goes]({plot_path.name})",
        "",
        "Raw is the model's own forward and decoder in one process, over the same chunks sorted by",
        "length, in batches of the budget that the configuration gives the server. A request's",
        "`decode` includes the wait for a free decoder, its `queue` is the wait for the model, its",
        "`model` the whole time of the batch that it was in; `rest` is what no stage accounts for:",
        "HTTP and the hops between processes. The callers run on the same machine and take their",
        "share of its cores.",
        "",
        f"Taken by `python -m loadtest.bench --config {results.config}`.",
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    _plot(results, plot_path)


def _facts(results: Results) -> list[str]:
    model = results.model
    engine = model.name
    if model.kind == "simulated":
        slower = f", {results.dilation:g} times as slow as its default" * (results.dilation != 1)
        engine += f" (**simulated**: it sleeps by a cost curve{slower}, and knows no speech)"
    batch = model.batch
    return [
        f"- Machine: {describe_machine()}",
        f"- Versions: {describe_versions()}",
        f"- Engine: {engine}; batches of at most {batch.max_batch_audio_s:g} padded seconds and "
        f"{batch.max_batch_size} chunks",
        f"- Audio: {results.num_clips} clips of {results.audio_s:.0f} s in all, recordings of real "
        "people in PCM, FLAC, MP3, Opus, Vorbis, AAC and G.711",
        f"- {len(results.repetitions)} repetitions, each raw, served, raw; one replica of each "
        "deployment",
    ]


def _tables(results: Results) -> Iterator[tuple[str, Row, list[Row]]]:
    yield "Throughput", ("", "median", "least", "most"), _throughput(results)
    callers = f"{results.concurrency} callers"
    head = ("mean ms of a request", "one caller", "share", callers, "share")
    yield "Where the time of a request goes", head, _stages(results.alone, results.crowded)
    costs = results.cpu_s_per_audio_hour
    if costs:
        whole = sum(costs.values())
        rows: list[Row] = [
            (group, f"{cost:.2f}", f"{cost / whole:.0%}") for group, cost in costs.items()
        ]
        rows.append(("whole server", f"{whole:.2f}", "100%"))
        raw = results.raw_cpu_s_per_audio_hour
        rows.append(("model alone, raw", f"{raw:.2f}", f"{raw / whole:.0%}"))
        yield "Where the CPU goes", ("processes", "CPU s per audio hour", "share"), rows


def _throughput(results: Results) -> list[Row]:
    def row(name: str, values: Spread, digits: int) -> Row:
        return (
            name,
            *(f"{value:,.{digits}f}" for value in (values.median, values.least, values.most)),
        )

    return [
        row("raw, audio seconds per second", results.raw_audio_s_per_s, 1),
        row("served, audio seconds per second", results.served_audio_s_per_s, 1),
        row("served ÷ raw", results.ratio, 3),
        row("raw ÷ raw (control)", results.control, 3),
        ("audio ÷ padded audio in the raw batches", f"{results.raw_fill:.3f}", "", ""),
        (f"texts as raw has them, of {results.num_texts}", str(results.num_same_texts), "", ""),
    ]


def _stages(alone: Stages, crowded: Stages) -> list[Row]:
    wholes = [sum(stages.parts_s.values()) for stages in (alone, crowded)]

    def row(name: str, times_s: Sequence[float]) -> Row:
        cells = [name]
        for time_s, whole_s in zip(times_s, wholes, strict=True):
            cells += [f"{time_s * 1000:.1f}", f"{time_s / whole_s:.0%}"]
        return cells

    rows = [row(part, (alone.parts_s[part], crowded.parts_s[part])) for part in alone.parts_s]
    rows.append(row("whole", wholes))
    for name, pair in (
        ("median", (alone.p50_s, crowded.p50_s)),
        ("95th percentile", (alone.p95_s, crowded.p95_s)),
    ):
        rows.append((name, f"{pair[0] * 1000:.1f}", "", f"{pair[1] * 1000:.1f}", ""))
    return rows


def _markdown(head: Row, rows: Sequence[Row]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|---|{'---:|' * (len(head) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _plot(results: Results, path: Path) -> None:
    import matplotlib.pyplot as plt  # only a report needs it, and it is slow to import

    costs = results.cpu_s_per_audio_hour
    figure, axes = plt.subplots(
        1, 2 if costs else 1, figsize=(11 if costs else 6, 3.2), layout="constrained", squeeze=False
    )
    times = axes[0][0]
    bars = ((f"{results.concurrency} callers", results.crowded), ("one caller", results.alone))
    for position, (_, stages) in enumerate(bars):
        whole_s = sum(stages.parts_s.values())
        left = 0.0
        for part, time_s in stages.parts_s.items():
            share = time_s / whole_s
            times.barh(
                position, share, left=left, color=_COLOURS[part], label=None if position else part
            )
            left += share
    times.set_yticks([0, 1], [name for name, _ in bars])
    times.set_title("share of a request's time")
    times.legend(ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.1), frameon=False)
    if costs:
        names = [*reversed(list(costs)), "model alone, raw"]
        values = [*reversed(list(costs.values())), results.raw_cpu_s_per_audio_hour]
        colours = [*(["#0072b2"] * len(costs)), "#999999"]
        axes[0][1].barh(names, values, color=colours)
        axes[0][1].set_title("CPU seconds per hour of audio")
    figure.suptitle(f"{results.model.name}, {describe_machine()}", fontsize=9)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)
