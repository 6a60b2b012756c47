"""Findings in; a page of Markdown, its plots and a JSON file beside it out."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from loadtest.bench.findings import Finding
from loadtest.bench.machine import describe_machine, describe_versions
from loadtest.bench.points.plan import FULL
from loadtest.bench.report import plots, saved
from loadtest.bench.report.tables import headlines, markdown


def write(found: Sequence[Finding], path: Path, commit: str) -> None:
    """`path`, the same with `.json`, and a plot for each point that has one. Points that lie there
    and are not in `found` stay; those that were taken on another machine than this, or not at
    `commit`, which the page names, are told apart."""
    path.parent.mkdir(parents=True, exist_ok=True)
    json_path = path.with_suffix(".json")
    found = saved.merged(found, json_path)
    lines = [*_head(commit), *markdown(headlines(found), num_left=2), "", _READING, ""]
    lines += _of_other_commits(found, commit)
    for finding in found:
        lines += _section(finding, path, commit)
    took_s = sum(finding.took_s for finding in found)
    lines.append(
        f"Taken by `python -m loadtest.bench`, in {took_s / 60:.0f} minutes; all values in "
        f"[{json_path.name}]({json_path.name})."
    )
    path.write_text("\n".join(lines) + "\n")
    saved.write(found, json_path)


def _head(commit: str) -> Iterator[str]:
    yield "# Benchmarks"
    yield ""
    yield f"- Machine: {describe_machine()}, but for what is said to be of another one; the callers"
    yield "  run on it as well"
    yield f"- Versions: {describe_versions()}"
    yield f"- Commit: {commit}, but for what is said to be of another one"
    yield "- One replica of each deployment. **simulated** is no model: it sleeps by the cost"
    yield "  curve that the project takes for a 0.6 B transducer on an H200 (14 ms + 85 µs for each"
    yield "  padded second), stretched where this is said. No figure here was taken on a GPU."
    yield ""


_READING = (
    "Each figure is the median of its repetitions with a bootstrap interval of 95 %; where there "
    "is a ratio, its arms took turns. The control is the same ratio of two equal arms: how far "
    "it is from 1 is how far the machine can be trusted."
)


def _of_other_commits(found: Sequence[Finding], commit: str) -> Iterator[str]:
    others = [f"{each.point} ({_taken_at(each)})" for each in found if each.commit != commit]
    if others:
        yield f"**Of other code than the rest:** {', '.join(others)}."
        yield ""


def _taken_at(finding: Finding) -> str:
    return f"taken at {finding.commit or 'an unknown commit'}"


def _section(finding: Finding, path: Path, commit: str) -> Iterator[str]:
    yield f"## {finding.point}. {finding.title}"
    yield ""
    flag = "" if finding.commit == commit else f"; **{_taken_at(finding)}**"
    if finding.machine != describe_machine():
        flag += f"; **on another machine: {finding.machine}**"
    yield f"*{finding.taken_on}*{flag}{_plan(finding)}"
    yield ""
    for paragraph in finding.words:
        yield paragraph
        yield ""
    for table in finding.tables:
        yield f"**{table.title}**"
        yield ""
        yield from markdown(table)
        yield ""
    if finding.plots:
        plot_path = path.with_name(f"{path.stem}-{finding.point}.png")
        plots.draw(finding.plots, plot_path, finding.machine)
        yield f"![{finding.title}]({plot_path.name})"
        yield ""


def _plan(finding: Finding) -> str:
    """Where it was not the whole plan's: in what."""
    whole = asdict(FULL)
    changed = [
        f"{name} {value}" for name, value in finding.plan.items() if value != whole.get(name)
    ]
    return f"; of another plan than the whole one: {', '.join(changed)}" if changed else ""
