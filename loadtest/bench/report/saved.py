"""Findings in, a JSON file out; and back, so that a point taken again takes its place in a page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loadtest.bench.findings import Figure, Finding, Plot, Table
from loadtest.bench.machine import describe_machine, describe_versions
from loadtest.bench.ratios import Estimate


def write(found: Sequence[Finding], path: Path) -> None:
    content = {
        "machine": describe_machine(),
        "versions": describe_versions(),
        "findings": [asdict(finding) for finding in found],
    }
    text = json.dumps(content, indent=1, ensure_ascii=False, default=str)
    path.write_text(text + "\n")


def merged(found: Sequence[Finding], path: Path) -> list[Finding]:
    """`found`, and of what lies at `path` the points that are not among them."""
    kept: list[Finding] = []
    if path.is_file():
        content = json.loads(path.read_text())
        kept = [_finding({"machine": content["machine"], **each}) for each in content["findings"]]
    new = {finding.point for finding in found}
    both = [*found, *(finding for finding in kept if finding.point not in new)]
    return sorted(both, key=lambda finding: finding.point)


def _finding(saved: Mapping[str, Any]) -> Finding:
    parts = {
        "figures": [_figure(each) for each in saved["figures"]],
        "tables": [Table(**each) for each in saved["tables"]],
        "plots": [Plot(**each) for each in saved["plots"]],
    }
    return Finding(**{**saved, **parts})


def _figure(saved: Mapping[str, Any]) -> Figure:
    control = saved["control"]
    parts = {
        "found": Estimate(**saved["found"]),
        "control": None if control is None else Estimate(**control),
    }
    return Figure(**{**saved, **parts})
