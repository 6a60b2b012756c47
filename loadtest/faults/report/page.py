"""Trials and conditions in; a page of Markdown, its figures as JSON and its timelines out."""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from string import Template
from typing import Any

from loadtest.faults.injuries import FAULTS
from loadtest.faults.report.plots import plot
from loadtest.faults.results import WIRES, Fates, fates, met, recovery
from loadtest.faults.trial import Trial

_PAGE = Path(__file__).with_name("page.md")
_HEAD = (
    "| fault | requests it met | as if nothing were | not accepted, asked again "
    "| cut off by the wire, asked again | **lost by the server** | **never answered** "
    "| last failure after | as before after | whole after |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n"
)
_WORDS_HEAD = (
    "| fault | streams | cut and taken up again | longest silence | words | **lost** | **said "
    "twice** | **other** |\n|---|---:|---:|---:|---:|---:|---:|---:|\n"
)
_JOBS_HEAD = "| fault | jobs | completed | wrong words | longest |\n|---|---:|---:|---:|---:|\n"


def write(path: Path, trials: Sequence[Trial], conditions: Mapping[str, str]) -> None:
    """`PATH`, and beside it, of its name, a `.json` and a folder of plots."""
    figures = path.with_suffix("")
    figures.mkdir(exist_ok=True)
    saved = {"conditions": dict(conditions), "trials": [trial.as_json() for trial in trials]}
    path.with_suffix(".json").write_text(json.dumps(saved, separators=(",", ":")))
    by_fault = _by_fault(trials)
    for name, some in by_fault.items():
        worst = max(some, key=lambda trial: recovery(trial).as_before_s)
        plot(worst, figures / f"{name}.png")
    path.write_text(
        Template(_PAGE.read_text()).substitute(
            conditions="\n".join(f"- {key}: {value}" for key, value in conditions.items()),
            requests=_HEAD + "".join(_requests(name, some) for name, some in by_fault.items()),
            words=_WORDS_HEAD + "".join(_words(name, some) for name, some in by_fault.items()),
            jobs=_JOBS_HEAD + "".join(_jobs(name, some) for name, some in by_fault.items()),
            faults="\n".join(_story(name, some, figures) for name, some in by_fault.items()),
        )
    )


def _by_fault(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    order = list(FAULTS)
    ordered = sorted(trials, key=lambda trial: order.index(trial.fault))
    return {name: list(some) for name, some in groupby(ordered, key=lambda trial: trial.fault)}


def _requests(name: str, trials: Sequence[Trial]) -> str:
    found = fates([each for trial in trials for each in met(trial)])
    failed = [recovery(trial).last_failure_s for trial in trials]
    before = [recovery(trial).as_before_s for trial in trials]
    whole = [trial.whole_s for trial in trials]
    return (
        f"| [{name}](#{name}) ({len(trials)} ×) | {found.num_requests} | {found.num_undisturbed} | "
        f"{found.refused} | {found.wire} | {found.server + found.wrong} | {found.never} | "
        f"{_spread(failed)} | {_spread(before)} | {_spread(whole)} |\n"
    )


def _words(name: str, trials: Sequence[Trial]) -> str:
    streams = [each for trial in trials for each in met(trial) if each.wire == "live"]
    every = fates([each for trial in trials for each in met(trial)])
    silences = [recovery(trial).longest_silence_s for trial in trials]
    returned = sum(len(each.attempts) > 1 for each in streams)
    return (
        f"| {name} | {len(streams)} | {returned} | {_spread(silences)} | {every.num_words} | "
        f"{every.num_lost_words} | {every.num_repeated_words} | {every.num_other_words} |\n"
    )


def _jobs(name: str, trials: Sequence[Trial]) -> str:
    jobs = [each for trial in trials for each in met(trial) if each.wire == "job"]
    done = [each for each in jobs if each.is_answered]
    wrong = sum(not each.words.is_right for each in done)
    longest_s = max((each.took_s for each in done), default=0.0)
    return f"| {name} | {len(jobs)} | {len(done)} | {wrong} | {longest_s:.0f} s |\n"


def _story(name: str, trials: Sequence[Trial], figures: Path) -> str:
    lines = [f"### {name}", "", f"{FAULTS[name].story}.".capitalize(), ""]
    for wire in WIRES:
        found = fates([each for trial in trials for each in met(trial) if each.wire == wire])
        if found.details:
            lines.append(f"- {wire}: {_said(found)}")
    lines += ["", f"![{name}]({figures.name}/{name}.png)", ""]
    return "\n".join(lines)


def _said(found: Fates) -> str:
    told = [f"{count} × {detail.strip(': ')}" for detail, count in found.details.most_common(6)]
    return "; ".join(f"`{each}`" for each in told)


def _spread(values: Sequence[float | None]) -> str:
    known = sorted(value for value in values if value is not None)
    if len(known) < len(values):
        return f"{len(values) - len(known)} × not in time"
    middle = known[len(known) // 2]
    return f"{middle:.0f} s" if len(known) == 1 else f"{middle:.0f} s (to {known[-1]:.0f})"


def load(path: Path) -> tuple[list[Trial], dict[str, Any]]:
    """What `write` saved as JSON."""
    saved = json.loads(path.read_text())
    return [Trial.of_json(trial) for trial in saved["trials"]], saved["conditions"]
