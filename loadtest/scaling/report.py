"""Runs in; tables, a page and its figures as JSON out."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from string import Template
from typing import Any

from loadtest.bench.machine import describe_commit, describe_machine, describe_versions
from loadtest.scaling import arms
from loadtest.scaling.loads import BEGINS_AT_S
from loadtest.scaling.plotting import plot_live, plot_loads
from loadtest.scaling.results import TAKEN_AT_ONCE_S, LiveRun, Run, numbers, void_loads

_HEAD = (
    "| load | policy | first added | in time | spent ÷ ideal | flaps | median | p95 | failed |\n"
    "|---|---|---:|---:|---:|---:|---:|---:|---:|\n"
)


def table(runs: Sequence[Run], objective_s: float) -> str:
    lines = []
    void = void_loads(runs)
    for run in runs:
        if run.name in void:
            lines.append(f"| {run.name} | {arms.NAMES[run.arm]} | {_void(run)} |{7 * ' |'}")
            continue
        found = numbers(run, objective_s=objective_s, per_s=arms.PER_S)
        lines.append(
            f"| {run.load.name} | {arms.NAMES[run.arm]} | {_seconds(found.first_added_s)} | "
            f"{found.in_time:.1%} of {len(run.outcomes)} | {found.over_ideal:.2f} | "
            f"{found.num_flaps} | {found.median_s:.1f} s | {found.p95_s:.1f} s | "
            f"{found.num_failed} |"
        )
    return _HEAD + "\n".join(lines) + "\n"


def live_table(runs: Sequence[LiveRun]) -> str:
    lines = [
        "| policy | first added | a slot at once | never one | refusals | replica-s | flaps |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    void = void_loads(runs)
    for run in runs:
        if void:
            lines.append(f"| {arms.NAMES[run.arm]} | {_void(run)} |{5 * ' |'}")
            continue
        waits_s = [visit.waited_s for visit in run.visits]
        at_once = sum(wait_s is not None and wait_s <= TAKEN_AT_ONCE_S for wait_s in waits_s)
        lines.append(
            f"| {arms.NAMES[run.arm]} | {_seconds(run.trace.first_added_s(BEGINS_AT_S))} | "
            f"{at_once} of {len(waits_s)} | {waits_s.count(None)} | "
            f"{sum(visit.num_refused for visit in run.visits)} | "
            f"{run.trace.replica_s(run.for_s):.0f} | {max(0, run.trace.num_turns - 1)} |"
        )
    return "\n".join(lines) + "\n"


def page(runs: Sequence[Run], live: Sequence[LiveRun], args: argparse.Namespace) -> str:
    """The whole page of Markdown, by the templates in `pages/`."""
    stories = [f"- *{run.load.name}*: {run.load.story}" for run in runs if run.arm == arms.AUDIO]
    streams = _template("live.md").substitute(
        num_slots=arms.NUM_SLOTS, most=arms.MAX_LIVE_REPLICAS, table=live_table(live)
    )
    return _template("page.md").substitute(
        quick="**A quick run, which proves only that it runs.**\n\n" if args.quick else "",
        day=date.today().isoformat(),
        machine=describe_machine(),
        versions=describe_versions(),
        commit=describe_commit(),
        remark=f"- {args.remark}\n" if args.remark else "",
        seed=args.seed,
        fixed_ms=f"{arms.COST.fixed_s * 1000:g}",
        per_audio_ms=f"{arms.COST.per_audio_s * 1000:g}",
        budget=f"{arms.BATCH.max_batch_audio_s:g}",
        per_s=f"{arms.PER_S:g}",
        most=arms.MAX_REPLICAS,
        wait=f"{arms.TARGET_WAIT_S:g}",
        target=f"{args.target:g}",
        objective=f"{args.objective:g}",
        minutes=f"{args.minutes:g}",
        stories="\n".join(stories),
        table=table(runs, args.objective),
        live=streams if live else "",
    )


def _template(name: str) -> Template:
    return Template((Path(__file__).with_name("pages") / name).read_text())


def write(page: str, runs: Sequence[Run], live: Sequence[LiveRun], path: Path) -> None:
    """The page, `.png` and `-live.png` beside it, and all that was seen as `.json`."""
    path.write_text(page)
    plot_loads(runs, path.with_suffix(".png"))
    if live:
        plot_live(live, path.with_name(f"{path.stem}-live.png"))
    seen = {
        "loads": [
            {"load": run.load.name, "arm": run.arm, "trace": asdict(run.trace),
             "outcomes": [[o.arrival.at_s, o.arrival.audio_s, o.took_s, o.status]
                          for o in run.outcomes]}
            for run in runs
        ],
        "live": [asdict(run) for run in live],
    }  # fmt: skip
    path.with_suffix(".json").write_text(json.dumps(_rounded(seen)) + "\n")


def _rounded(seen: Any) -> Any:
    """To the millisecond."""
    if isinstance(seen, dict):
        return {key: _rounded(value) for key, value in seen.items()}
    if isinstance(seen, list | tuple):
        return [_rounded(value) for value in seen]
    return round(seen, 3) if isinstance(seen, float) else seen


def _void(run: Run | LiveRun) -> str:
    """Both arms of a void load are void; each says what it began with."""
    return f"**void**, began with {run.trace.running[0]} of {run.trace.target[0]}"


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"
