"""Our autoscaling policies beside Serve's default one, on the same loads at the same moments.

A simulated engine, so slow that it is the bottleneck, is deployed twice on one server: once scaled
by the audio that waits (`AudioPolicy`), once by requests (Serve's default, its target set to what
a replica can answer within the same wait). Both get the same arrivals at the same moments, which
wait for nobody: a step, a ramp, bursts of long recordings, and days. Then streaming models: by
slots, and by calls. Printed for each:

  first added   from the rise of the load until one more replica serves
  in time       requests answered within the objective and the time their audio takes one replica
  spent/ideal   replica-seconds, starting ones included, over those of a scaler that starts
                replicas in no time and keeps them full
  flaps         changes of the number of replicas that undid the one before, beyond the load's own

All of it takes about eleven minutes on two quiet cores; --quick, which proves only that it runs,
about three.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from loadtest.bench.load import BenchError
from loadtest.scaling import arms, report
from loadtest.scaling.callers import Outcome, Uploads, send_all
from loadtest.scaling.live import visit_all
from loadtest.scaling.loads import BEGINS_AT_S, Arrival, Load, loads
from loadtest.scaling.results import LiveRun, Run, Trace, void_loads
from serve_app.errors import ConfigError

_MINUTES, _LIVE_S, _NUM_STREAMS = 1.75, 100.0, 11
_QUICK_MINUTES, _QUICK_LIVE_S = 0.5, 30.0
_SETTLE_S = 90.0
"""At most, between loads: an arm that does not begin with one replica voids the load."""


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    if args.quick:
        args.minutes, args.live_s = _QUICK_MINUTES, _QUICK_LIVE_S
    try:
        print("starting a server", file=sys.stderr)
        with _bar() as bar, arms.served(args.config, target_ongoing=args.target) as url:
            runs, live = asyncio.run(_measure(args, url, bar))
    except (BenchError, ConfigError) as error:
        print(f"scaling: {error}", file=sys.stderr)
        return 1
    page = report.page(runs, live, args)
    print(report.table(runs, args.objective))
    if args.report:
        report.write(page, runs, live, args.report)
    void = void_loads([*runs, *live])
    for name in void:
        print(f"scaling: {name} is void: an arm did not begin with one replica", file=sys.stderr)
    return 1 if void else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.scaling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--config", type=Path, default=Path("configs/simulated.yaml"),
        help="what stands around the models (default: %(default)s)")  # fmt: skip
    add("--loads", nargs="*", default=["step", "ramp", "burst", "day"], metavar="NAME",
        help="some of: step ramp burst day (default: all)")  # fmt: skip
    add("--minutes", type=float, default=_MINUTES, help="of each load (default: %(default)s)")
    add("--live-s", type=float, default=_LIVE_S, metavar="S",
        help="of the ramp of live streams; 0: none (default: %(default)s)")  # fmt: skip
    add("--target", type=float, default=6.0, metavar="N",
        help="`target_ongoing_requests` of Serve's default: clips of six seconds that a replica "
             "answers in five (default: %(default)s)")  # fmt: skip
    add("--objective", type=float, default=10.0, metavar="S",
        help="an answer is in time within this and what its audio takes one replica "
             "(default: %(default)s)")  # fmt: skip
    add("--seed", type=int, default=1, help="of arrivals and lengths (default: %(default)s)")
    add("--quick", action="store_true", help="half a minute of each; the numbers mean nothing")
    add("--report", type=Path, help="write a page of Markdown here, its plots and JSON beside it")
    add("--remark", help="a line for the page: what else the machine did, for example")
    return parser


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f} s"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


async def _measure(
    args: argparse.Namespace, url: str, bar: Progress
) -> tuple[list[Run], list[LiveRun]]:
    runs: list[Run] = []
    live: list[LiveRun] = []
    uploads = Uploads()
    with arms.watched() as replicas:
        await _warm_up(url, uploads)
        for load in loads(args.minutes):
            if load.name in args.loads:
                await _settled(replicas, _OFFLINE)
                runs += await _under(load, url, uploads, replicas, args, bar)
                table = report.table(runs[-2:], args.objective)
                bar.console.print(table, markup=False, soft_wrap=True)
        if args.live_s:
            await _settled(replicas, _LIVE)
            live = await _live(url, replicas, args, bar)
    return runs, live


async def _warm_up(url: str, uploads: Uploads) -> None:
    """Some clips of several lengths, so that both arms know what a replica clears."""
    clips = [Arrival(2.0 * index, 2.0 + 3.0 * (index % 4)) for index in range(6)]
    await asyncio.gather(
        *(send_all(url, arm, clips, uploads, time.perf_counter()) for arm in _OFFLINE)
    )


_OFFLINE = (arms.AUDIO, arms.REQUESTS)
_LIVE = (arms.SLOTS, arms.CALLS)


async def _settled(replicas: arms.Replicas, of: Sequence[str]) -> None:
    give_up_at = time.perf_counter() + _SETTLE_S
    while time.perf_counter() < give_up_at and not replicas.are_settled(of):  # noqa: ASYNC110
        await asyncio.sleep(0.5)  # Serve tells nobody; it is asked


async def _under(
    load: Load,
    url: str,
    uploads: Uploads,
    replicas: arms.Replicas,
    args: argparse.Namespace,
    bar: Progress,
) -> list[Run]:
    arrivals = load.arrivals(arms.PER_S, args.seed)
    began_at = time.perf_counter()
    with _ticking(bar, load.name, load.for_s, began_at):
        outcomes: list[list[Outcome]] = await asyncio.gather(
            *(send_all(url, arm, arrivals, uploads, began_at) for arm in _OFFLINE)
        )
    return [
        Run(load, arm, tuple(found), _trace(replicas, arm, began_at))
        for arm, found in zip(_OFFLINE, outcomes, strict=True)
    ]


async def _live(
    url: str, replicas: arms.Replicas, args: argparse.Namespace, bar: Progress
) -> list[LiveRun]:
    """Streams come over the first half, stay to the seventh tenth and leave together."""
    ramp_s = 0.5 * args.live_s
    came_at_s = [BEGINS_AT_S + index * ramp_s / _NUM_STREAMS for index in range(_NUM_STREAMS)]
    began_at = time.perf_counter()
    with _ticking(bar, "live streams", args.live_s, began_at):
        visits = await asyncio.gather(
            *(
                visit_all(url, arm, came_at_s=came_at_s, until_s=0.7 * args.live_s,
                          began_at=began_at)
                for arm in _LIVE
            )
        )  # fmt: skip
        await asyncio.sleep(max(0.0, began_at + args.live_s - time.perf_counter()))
    return [
        LiveRun(arm, tuple(found), _trace(replicas, arm, began_at), args.live_s)
        for arm, found in zip(_LIVE, visits, strict=True)
    ]


class _ticking:  # noqa: N801  # used as a function is
    """Moves the bar on once a second."""

    def __init__(self, bar: Progress, name: str, for_s: float, began_at: float) -> None:
        self._move: Callable[[float], None] = lambda at_s: bar.update(task, completed=at_s)
        task = bar.add_task(name, total=for_s)
        self._began_at, self._for_s = began_at, for_s

    def __enter__(self) -> None:
        self._task = asyncio.create_task(self._tick())

    def __exit__(self, *_: object) -> None:
        self._task.cancel()
        self._move(self._for_s)

    async def _tick(self) -> None:
        while True:
            self._move(min(self._for_s, time.perf_counter() - self._began_at))
            await asyncio.sleep(1.0)


def _trace(replicas: arms.Replicas, arm: str, began_at: float) -> Trace:
    """From a little before the load on; until now.

    Raises:
        BenchError: for a part of it nobody saw the replicas.
    """
    replicas.require_seen(began_at, time.perf_counter())
    count = min(len(replicas.running[arm]), len(replicas.at))
    first = max((i for i in range(count) if replicas.at[i] <= began_at), default=0)
    return Trace(
        tuple(at - began_at for at in replicas.at[first:count]),
        tuple(replicas.running[arm][first:count]),
        tuple(replicas.target[arm][first:count]),
    )


if __name__ == "__main__":
    sys.exit(main())
