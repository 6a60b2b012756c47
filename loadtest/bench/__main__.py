"""Seven questions about what the server costs, answered in one run: see `--help`."""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from loadtest.bench.engines.arena import Arena
from loadtest.bench.engines.dilated import dilated
from loadtest.bench.findings import Finding
from loadtest.bench.load import BenchError
from loadtest.bench.machine import describe_commit, describe_machine
from loadtest.bench.points import costs, goodput, graph, live, padding, ratio, rivals
from loadtest.bench.points.plan import FULL, QUICK, Bench, Plan
from loadtest.bench.report import page, tables
from loadtest.bench.report.bar import Bar
from loadtest.bench.server import model_of
from serve_app.errors import ConfigError

_POINTS: Mapping[int, tuple[str, Callable[[Bench], Finding]]] = {
    1: ("served ÷ the engine alone", ratio.run),
    2: ("padding and fill of batches", padding.run),
    3: ("beside plain FastAPI and LitServe", rivals.run),
    4: ("the graph's own cost", graph.run),
    5: ("live streams at real time", live.run),
    6: ("CPU by codec and by deployment", costs.run),
    7: ("goodput when too much comes", goodput.run),
}
_ABOUT = """\
Measures what the server costs beside its engine, in seven points:

  1  served ÷ raw: throughput through the API over the engine alone, on the same clips; on
     parakeet-tiny, on a mid-size model with random weights (also in CPU seconds), on `simulated`
  2  how much of what the engine works on is audio, and how full its batches are
  3  the same engine behind plain FastAPI, one request at a time, and behind LitServe
  4  the graph's own cost: a request to an engine that takes no time, beside bare uvicorn
  5  live streams held at real time over what the step's cost allows; how late final texts come
  6  CPU by codec, by deployment, by request; and the cores that one H200 needs
  7  goodput at twice and ten times the load that can be done

The whole takes some 35 minutes on two quiet cores, and writes a page, plots and JSON with --report.
Arms take turns; a figure is the median of ratios to the neighbouring arms with its bootstrap
interval (95 %), and beside it stands the same of two equal arms (the control, which should be 1).
"""
_EXAMPLES = """\
examples:
  python -m loadtest.bench --quick                          four minutes: does all of it run?
  python -m loadtest.bench --only 1 3                       two of the points
  python -m loadtest.bench --report docs/bench.md           the page in docs/, its plots and JSON
  python -m loadtest.bench --config configs/one_gpu.yaml    point 1 of a model of yours
  python -m loadtest.bench --config my.yaml --url http://127.0.0.1:8000    of a server that runs

With --config a server of its own has one replica of each deployment, whatever the file says, so
that one engine faces one engine; its processes' CPU time is measured. At --url only times are.
"""


_REPORT = "the page, beside it FILE.json and FILE-N.png; points of it not taken now stay there"


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    plan = QUICK if args.quick else FULL
    plan = replace(
        plan,
        repetitions=args.repetitions or plan.repetitions,
        dilation=args.dilate or plan.dilation,
    )
    try:
        failures = _one(args, plan) if args.config else _all(args, plan)
    except (BenchError, ConfigError) as error:
        failures = [str(error)]
    except KeyboardInterrupt:
        return 130
    for failure in failures:
        print(f"bench: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.bench",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--only", type=int, nargs="+", choices=_POINTS, metavar="N", help="of the points")
    add("--quick", action="store_true", help="a smoke run: too short for figures to be believed")
    add(
        "--report",
        type=Path,
        metavar="FILE.md",
        help=_REPORT,
    )
    add("--remark", help="a line for the page: what else the machine did, for example")
    add("--repetitions", type=int, metavar="N", help="of points 1, 4 and 6 (default: 3)")
    add("--dilate", type=float, metavar="X", help="times as slow as its curve a simulated engine "
        "shall be, so that it is what limits the server (default: 20)")  # fmt: skip
    one = parser.add_argument_group("point 1 of one model")
    one.add_argument("--config", type=Path, metavar="FILE.yaml", help="which serves it")
    one.add_argument("--model", help="served name or alias (default: the file's default)")
    one.add_argument("--url", help="measure a server that runs, not one of its own")
    one.add_argument("--callers", type=int, default=64, help="at once (default: %(default)s)")
    return parser


def _all(args: argparse.Namespace, plan: Plan) -> list[str]:
    """What failed; a point that does so keeps no other from being taken."""
    found: list[Finding] = []
    failures: list[str] = []
    chosen = {number: _POINTS[number] for number in sorted(set(args.only or _POINTS))}
    with Arena() as arena, Bar([name for name, _ in chosen.values()]) as bar:
        for number, (name, run) in chosen.items():
            begun = _Begun(plan, describe_commit(), time.monotonic())
            try:
                finding = run(Bench(plan, arena, bar.point(name)))
            except BenchError as error:
                failures.append(f"point {number}, {name}: {error}")
                arena.clear()
                continue
            found.append(_stamped(finding, args, begun))
            _keep(found[-1:], args, begun)  # at once: what follows may be interrupted
    tables.show(found)
    return failures


def _one(args: argparse.Namespace, plan: Plan) -> list[str]:
    model = model_of(args.config, args.model)
    if args.dilate:
        model = dilated(model, args.dilate)
    with Arena() as arena, Bar([model.name]) as bar:
        bench = Bench(plan, arena, bar.point(model.name))
        begun = _Begun(plan, describe_commit(), time.monotonic())
        finding = ratio.run_one(bench, args.config, model, url=args.url, concurrency=args.callers)
        found = [_stamped(finding, args, begun)]
    _keep(found, args, begun)
    tables.show(found)
    return []


@dataclass(frozen=True, slots=True)
class _Begun:
    """How and of what a point was taken, as it stood when it began."""

    plan: Plan
    commit: str
    at_s: float
    """By `time.monotonic`."""


def _keep(found: Sequence[Finding], args: argparse.Namespace, begun: _Begun) -> None:
    if args.report is not None:
        page.write(found, args.report, begun.commit)


def _stamped(finding: Finding, args: argparse.Namespace, begun: _Begun) -> Finding:
    """With when it was taken, and how."""
    smoke = "; a smoke run (`--quick`), too short for its figures to be believed"
    remark = f"; {args.remark}" if args.remark else ""
    taken_on = f"{datetime.now(UTC):%Y-%m-%d}{remark}{smoke if args.quick else ''}"
    return replace(
        finding,
        took_s=time.monotonic() - begun.at_s,
        taken_on=taken_on,
        machine=describe_machine(),
        commit=begun.commit,
        plan=asdict(begun.plan),
    )


if __name__ == "__main__":
    sys.exit(main())
