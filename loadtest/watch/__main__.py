"""Ask every query of monitoring/ of a real Prometheus that scrapes a real server under load.

    python -m loadtest.watch --images docs/images --report docs/watched.md

Ends in 1 if one of them is wrong or empty. Takes three minutes, and two cores.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from loadtest.watch.answers import Answers, ask, names_of
from loadtest.watch.callers import Load
from loadtest.watch.drawing import draw
from loadtest.watch.page import page_of
from loadtest.watch.questions import RULES
from loadtest.watch.server import WatchError, prometheus, watched_server

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
        page = page_of(
            answers,
            load.outcomes,
            for_s=options.for_s,
            num_names=len(names),
            machine_load=os.getloadavg()[1],
        )
        options.report.write_text(page)
    return 1 if answers.empty else 0


def _tell(load: Load, answers: Answers, names: set[str]) -> None:
    for outcome, count in sorted(load.outcomes.items()):
        print(f"{count:6}  {outcome}")
    for verdict in answers.verdicts:
        print(f"{verdict.fired:>9}  {verdict.name}")
    print(f"{len(names)} metrics of ours were scraped")
    for each in answers.empty:
        print(f"empty: {each}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
