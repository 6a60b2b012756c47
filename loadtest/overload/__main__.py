"""Goodput at ten times the load, beside the peak; how soon the others hear that they are refused.

The peak is what a closed loop of callers gets; then come twice and ten times as many requests a
second, by a Poisson process that waits for nobody; then the peak again. The ratio is taken
against the mean of its two neighbours, and the two against each other tell how far it can be
trusted. What was let in and then failed fails the run.
"""

import argparse
import asyncio
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from urllib.parse import urlsplit

from loadtest.bench.load import BenchError
from loadtest.bench.machine import describe_machine, describe_versions
from loadtest.bench.server import Server, model_of, own_server
from loadtest.overload.callers import Callers
from loadtest.overload.results import (
    Phase,
    Repetition,
    interval,
    quantile,
    refusal_times_s,
)
from loadtest.overload.uploads import make_uploads
from serve_app.config import BatchConfig, ModelConfig, SimulatedConfig
from serve_app.errors import ConfigError

_COST = SimulatedConfig(fixed_s=0.25, per_audio_s=0.025)
_BATCH = BatchConfig(max_batch_audio_s=60.0)
"""Some thirty audio seconds a second: so slow that the engine is what is full, not the CPU
that clients, proxy and server share."""
_MAX_WAIT_S = 4.0
_NUM_UPLOADS = 64
_TARGET_RATIO, _TARGET_REFUSAL_S = 0.95, 0.05


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    try:
        repetitions = asyncio.run(_measure(args))
    except (BenchError, ConfigError) as error:
        print(f"overload: {error}", file=sys.stderr)
        return 1
    return _report(repetitions)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtest.overload", description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("configs/simulated.yaml"))
    parser.add_argument("--model", help="served name or alias (default: the file's default)")
    parser.add_argument("--url", help="measure a server that runs, as it is")
    parser.add_argument("--repetitions", type=int, default=5, help="(default: 5)")
    parser.add_argument("--callers", type=int, default=32, help="at the peak (default: 32)")
    parser.add_argument("--settle", type=float, default=8.0, metavar="S", help="(default: 8)")
    parser.add_argument("--measure", type=float, default=20.0, metavar="S", help="(default: 20)")
    return parser


async def _measure(args: argparse.Namespace) -> list[Repetition]:
    model = model_of(args.config, args.model)
    serving: AbstractContextManager[Server]
    if args.url:
        serving = nullcontext(Server(args.url.rstrip("/"), pid=None))
    else:
        _say("starting a server")
        serving = own_server(args.config, _slow(model), limits={"max_wait_s": _MAX_WAIT_S})
    with serving as server:  # blocks the loop while it starts; nothing else runs on it
        uploads = make_uploads(_NUM_UPLOADS, model=model.name, host=urlsplit(server.url).netloc)
        callers = Callers(server.url, uploads)
        _say("warming up")
        await callers.closed_loop(args.callers, args.settle)
        repetitions = []
        peak = await _peak(callers, args)
        for number in range(1, args.repetitions + 1):
            double = await _flood(callers, args, 2 * peak.answered_per_s)
            tenfold = await _flood(callers, args, 10 * peak.answered_per_s)
            after = await _peak(callers, args)
            repetitions.append(Repetition(peak, double, tenfold, after))
            peak = after
            _say(f"repetition {number} of {args.repetitions}: {repetitions[-1].ratio:.3f}")
        callers.close()
    return repetitions


async def _peak(callers: Callers, args: argparse.Namespace) -> Phase:
    began_at = time.perf_counter()
    outcomes = await callers.closed_loop(args.callers, args.settle + args.measure)
    counts_from = began_at + args.settle
    return Phase(tuple(outcomes), counts_from, counts_from + args.measure)


async def _flood(callers: Callers, args: argparse.Namespace, per_s: float) -> Phase:
    began_at = time.perf_counter()
    outcomes = await callers.open_loop(per_s, args.settle + args.measure)
    counts_from = began_at + args.settle
    return Phase(tuple(outcomes), counts_from, counts_from + args.measure)


def _slow(model: ModelConfig) -> ModelConfig:
    """
    Raises:
        BenchError: it is no simulated model, whose speed can be chosen.
    """
    if model.kind != "simulated":
        raise BenchError("a server of its own needs a simulated model; see --url")
    return model.model_copy(update={"simulated": _COST, "batch": _BATCH})


def _report(repetitions: list[Repetition]) -> int:
    """Print what was found; 0 where all that is promised was kept."""
    tenfold = [each.tenfold for each in repetitions]
    refusals_s = refusal_times_s(tenfold)
    waits_s = sorted(o.took_s for each in tenfold for o in each.outcomes if o.is_answered)
    failures = [o for each in repetitions for phase in each.phases for o in phase.failures]
    ratio = interval([each.ratio for each in repetitions])
    p99_s = quantile(refusals_s, 0.99)
    print(describe_machine())
    print(describe_versions())
    print(f"peak, audio s/s            {interval([each.peak for each in repetitions])}")
    print(f"goodput at 2 x ÷ peak      {interval([each.double_ratio for each in repetitions])}")
    print(f"goodput at 10 x ÷ peak     {ratio}  (95 % of {len(repetitions)} repetitions)")
    print(f"peak ÷ peak (control)      {interval([each.control for each in repetitions])}")
    print(f"arrivals at 10 x           {sum(len(each.outcomes) for each in tenfold)}")
    print(f"refused there              {len(refusals_s)}")
    print(f"time to refusal, ms        p50 {_ms(refusals_s, 0.5)}, p99 {_ms(refusals_s, 0.99)}")
    print(f"time to answer at 10 x, ms p50 {_ms(waits_s, 0.5)}, p99 {_ms(waits_s, 0.99)}")
    print(f"let in and then failed     {len(failures)}")
    for failure in failures[:5]:
        print(f"  {failure.status} {failure.code} after {failure.took_s:.2f} s")
    is_kept = not failures and ratio.mean >= _TARGET_RATIO and p99_s <= _TARGET_REFUSAL_S
    return 0 if is_kept else 1


def _ms(ascending_s: list[float], share: float) -> str:
    return f"{quantile(ascending_s, share) * 1000:.1f}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
