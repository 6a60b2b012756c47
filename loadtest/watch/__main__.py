"""Ask every query of monitoring/ of a real Prometheus that scrapes a real server under load.

    python -m loadtest.watch --images docs/images --report docs/watched.md

Ends in 1 if one of them is wrong or empty. Takes three minutes, and two cores.
"""

import argparse
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from loadtest.bench.machine import describe_machine
from loadtest.watch.answers import Answers, ask, names_of
from loadtest.watch.callers import Load
from loadtest.watch.drawing import draw
from loadtest.watch.questions import RULES
from loadtest.watch.server import SCRAPE_EVERY_S, WatchError, prometheus, watched_server

_TITLES = {"overview": "Chorus", "models": "Chorus: models and live streams"}
_SETTLE_S = 12.0
"""Behind the load, until the last of it was reported, scraped and counted."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.watch", description=(__doc__ or "").partition("\n")[0]
    )
    add = parser.add_argument
    add("--for", dest="for_s", type=float, default=120.0, metavar="S", help="of load (120)")
    add("--images", type=Path, metavar="FOLDER", help="draw each dashboard there")
    add("--report", type=Path, metavar="FILE", help="write down what came of each query")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chorus-"))
    try:
        with watched_server(folder) as server, prometheus(server, RULES) as asked:
            start = time.time()
            load = Load(server)
            load.run(options.for_s)
            time.sleep(_SETTLE_S)
            answers = ask(asked, start, time.time())
            names = names_of(asked)
    except WatchError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _tell(load, answers, names)
    if options.images is not None:
        for name, found in answers.dashboards.items():
            path = options.images / f"watching-{name}.png"
            draw(found, path, title=_TITLES.get(name, name), start=start)
    if options.report is not None:
        options.report.write_text(_report(load, answers, names, options.for_s))
    return 1 if answers.empty else 0


def _tell(load: Load, answers: Answers, names: set[str]) -> None:
    for outcome, count in sorted(load.outcomes.items()):
        print(f"{count:6}  {outcome}")
    for verdict in answers.verdicts:
        print(f"{verdict.fired:>9}  {verdict.name}")
    print(f"{len(names)} metrics of ours were scraped")
    for each in answers.empty:
        print(f"empty: {each}", file=sys.stderr)


def _report(load: Load, answers: Answers, names: set[str], for_s: float) -> str:
    queries = [
        f"| {name} | {answer.panel.title} | `{_in_a_cell(answer.expr)}` | {len(answer.series)} |"
        for name, found in answers.dashboards.items()
        for answer in found
    ]
    alerts = [f"| {each.name} | {each.fired} |" for each in answers.verdicts]
    calls = [f"| {outcome} | {count} |" for outcome, count in sorted(load.outcomes.items())]
    return "\n".join(
        [
            "# The dashboards and alerts, asked of a real Prometheus",
            "",
            f"Written by `make watch` on {datetime.now(UTC):%Y-%m-%d}: {describe_machine()}. The "
            f"embedded models with keys and jobs, Prometheus scraping every {SCRAPE_EVERY_S} s, "
            f"{for_s:.0f} s of load, a replica of either kind of model killed in the middle. "
            f"{len(answers.empty)} of the queries were empty. How to use them: "
            "[watching](watching.md).",
            "",
            "![The overview](images/watching-overview.png)",
            "",
            "![Models and live streams](images/watching-models.png)",
            "",
            "## Each panel's queries",
            "",
            "| dashboard | panel | query | series |",
            "|---|---|---|---:|",
            *queries,
            "",
            "## Each alert",
            "",
            "Everything that an alert compares was there; this is the most that became of it in "
            "so short a run (`for:` takes longer than most of it):",
            "",
            "| alert | became |",
            "|---|---|",
            *alerts,
            "",
            "## The load",
            "",
            "| call | times |",
            "|---|---:|",
            *calls,
            "",
            f"{len(names)} metrics of `ray_chorus_` were scraped.",
            "",
        ]
    )


def _in_a_cell(expr: str) -> str:
    return expr.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
