"""Goodput at ten times the load, beside the peak; how soon the others hear that they are refused.

The peak is the most that a closed loop of callers gets, of several numbers of them; then come
twice and ten times as many requests a second, by a Poisson process that waits for nobody; then the
peak again. The ratio is taken against the mean of its two neighbours, and the two against each
other tell how far it can be trusted. What was let in and then failed fails the run.
"""

import argparse
import asyncio
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from loadtest.bench.load import BenchError
from loadtest.bench.machine import describe_commit, describe_machine, describe_versions
from loadtest.bench.ratios import quantile
from loadtest.bench.server import Server, model_of, own_server
from loadtest.overload.flood import CALLERS, MAX_WAIT_S, Flood, Load, flood, slow
from loadtest.overload.results import interval, refusal_times_s
from serve_app.errors import ConfigError

_TARGET_RATIO, _TARGET_REFUSAL_S = 0.95, 0.05


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    try:
        found = _measure(args)
    except (BenchError, ConfigError) as error:
        print(f"overload: {error}", file=sys.stderr)
        return 1
    return _report(found)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtest.overload", description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("configs/simulated.yaml"))
    parser.add_argument("--model", help="served name or alias (default: the file's default)")
    parser.add_argument("--url", help="measure a server that runs, as it is")
    parser.add_argument("--repetitions", type=int, default=5, help="(default: 5)")
    parser.add_argument("--callers", type=int, nargs="+", default=CALLERS, metavar="N",
                        help="numbers of them, of which the best makes the peak "
                             f"(default: {' '.join(map(str, CALLERS))})")  # fmt: skip
    parser.add_argument("--settle", type=float, default=8.0, metavar="S", help="(default: 8)")
    parser.add_argument("--measure", type=float, default=20.0, metavar="S", help="(default: 20)")
    return parser


def _measure(args: argparse.Namespace) -> Flood:
    model = model_of(args.config, args.model)
    load = Load(args.repetitions, args.callers, args.settle, args.measure)
    serving: AbstractContextManager[Server]
    if args.url:
        serving = nullcontext(Server(args.url.rstrip("/"), pid=None))
    elif model.kind != "simulated":
        raise BenchError("a server of its own needs a simulated model; see --url")
    else:
        _say("starting a server")
        serving = own_server(args.config, slow(model), limits={"max_wait_s": MAX_WAIT_S})
    with serving as server:
        return asyncio.run(flood(server.url, model.name, load, _say))


def _report(found: Flood) -> int:
    """Print what was found; 0 where all that is promised was kept."""
    repetitions = found.repetitions
    tenfold = [each.tenfold for each in repetitions]
    refusals_s = refusal_times_s(tenfold)
    waits_s = sorted(o.took_s for each in tenfold for o in each.outcomes if o.is_answered)
    ratio = interval([each.ratio for each in repetitions])
    p99_s = quantile(refusals_s, 0.99)
    print(describe_machine())
    print(f"{describe_versions()} · commit {describe_commit()}")
    for number, phase in found.by_callers.items():
        print(f"{number:4} callers, audio s/s      {phase.goodput:.1f}")
    print(f"callers at the peak        {found.best_callers}")
    print(f"peak, audio s/s            {interval([each.peak for each in repetitions])}")
    print(f"goodput at 2 x ÷ peak      {interval([each.double_ratio for each in repetitions])}")
    print(f"goodput at 10 x ÷ peak     {ratio}  (95 % of {len(repetitions)} repetitions)")
    print(f"peak ÷ peak (control)      {interval([each.control for each in repetitions])}")
    print(f"arrivals at 10 x           {sum(len(each.outcomes) for each in tenfold)}")
    print(f"refused there              {len(refusals_s)}")
    print(f"time to refusal, ms        p50 {_ms(refusals_s, 0.5)}, p99 {_ms(refusals_s, 0.99)}")
    print(f"time to answer at 10 x, ms p50 {_ms(waits_s, 0.5)}, p99 {_ms(waits_s, 0.99)}")
    print(f"let in and then failed     {len(found.failures)}")
    for failure in found.failures[:5]:
        print(f"  {failure.status} {failure.code} after {failure.took_s:.2f} s")
    is_kept = not found.failures and ratio.mean >= _TARGET_RATIO and p99_s <= _TARGET_REFUSAL_S
    return 0 if is_kept else 1


def _ms(ascending_s: list[float], share: float) -> str:
    return f"{quantile(ascending_s, share) * 1000:.1f}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
