"""Findings in; a page of Markdown, its plots and a JSON file beside it out."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from loadtest.bench.findings import Finding
from loadtest.bench.machine import describe_machine, describe_versions
from loadtest.bench.points.plan import Plan
from loadtest.bench.report import plots
from loadtest.bench.report.tables import headlines, markdown


def write(
    found: Sequence[Finding], path: Path, plan: Plan, *, remark: str | None, is_quick: bool
) -> None:
    """`path`, the same with `.json`, and a plot for each point that has one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [*_head(found, remark, is_quick), *markdown(headlines(found), num_left=2), ""]
    lines += [_READING, ""]
    for finding in found:
        lines += _section(finding, path)
    lines += [
        f"Taken on {datetime.now(UTC):%Y-%m-%d} by `python -m loadtest.bench`"
        f"{' --quick' * is_quick}, in {sum(each.took_s for each in found) / 60:.0f} minutes; "
        f"all values in [{path.with_suffix('.json').name}]({path.with_suffix('.json').name}).",
    ]
    path.write_text("\n".join(lines) + "\n")
    content = {
        "machine": describe_machine(),
        "versions": describe_versions(),
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "remark": remark,
        "is_quick": is_quick,
        "plan": asdict(plan),
        "findings": [asdict(finding) for finding in found],
    }
    text = json.dumps(content, indent=1, ensure_ascii=False, default=str)
    path.with_suffix(".json").write_text(text + "\n")


def _head(found: Sequence[Finding], remark: str | None, is_quick: bool) -> Iterator[str]:
    yield "# Benchmarks"
    yield ""
    yield f"- Machine: {describe_machine()}; the callers run on it as well"
    yield f"- Versions: {describe_versions()}"
    yield "- One replica of each deployment. **simulated** is no model: it sleeps by the cost curve"
    yield "  that the project takes for a 0.6 B transducer on an H200 (14 ms + 85 µs for each padded"
    yield "  second), stretched where this is said. No figure here was taken on a GPU."
    if is_quick:
        yield "- **A smoke run (`--quick`): too short for its figures to be believed.**"
    if remark:
        yield f"- {remark}"
    yield ""


_READING = (
    "Each figure is the median of its repetitions with a bootstrap interval of 95 %; where there "
    "is a ratio, its arms took turns. The control is the same ratio of two equal arms: how far "
    "it is from 1 is how far the machine can be trusted."
)


def _section(finding: Finding, path: Path) -> Iterator[str]:
    yield f"## {finding.point}. {finding.title}"
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
        plots.draw(finding.plots, plot_path, describe_machine())
        yield f"![{finding.title}]({plot_path.name})"
        yield ""
