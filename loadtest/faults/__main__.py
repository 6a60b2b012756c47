"""The command line: a cluster is made, each fault strikes it under load, a report is written."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import httpx

from loadtest.bench.machine import describe_commit, describe_machine, describe_versions
from loadtest.faults.clients.load import Load, Rates, script_of
from loadtest.faults.cluster import world
from loadtest.faults.cluster.cluster import CONFIG, Cluster, cluster
from loadtest.faults.cluster.door import URL
from loadtest.faults.injuries import FAULTS
from loadtest.faults.results import fates, is_kept, recovery
from loadtest.faults.trial import Plan, Trial, run_trial

_READY_WITHIN_S = 300.0


def main(argv: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(words)
    if args.told:
        from loadtest.faults.report.page import load

        _write(args, *load(args.told))
        return 0
    world.enter("loadtest.faults", words)
    trials = asyncio.run(_run(args))
    return 0 if all(map(is_kept, trials)) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtest.faults", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=FAULTS, metavar="FAULT",
                        help=f"of {', '.join(FAULTS)}")  # fmt: skip
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--calm", type=float, default=30.0, help="seconds of load before a fault")
    parser.add_argument("--settle", type=float, default=20.0, help="and after all is there again")
    parser.add_argument("--config", type=Path, default=CONFIG, help="what is deployed")
    parser.add_argument("--uploads", type=float, default=Rates().uploads, help="a second")
    parser.add_argument("--talkers", type=int, default=Rates().num_talkers, help="at any time")
    parser.add_argument("--talk", type=float, default=Rates().talk_s, help="seconds of a stream")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--report", type=Path, help="where the page goes, beside its plots")
    parser.add_argument("--from", type=Path, dest="told", metavar="JSON",
                        help="run nothing: write the page of these figures again")  # fmt: skip
    parser.add_argument("--remark", default="", help="said among the conditions")
    parser.add_argument("--env", nargs="+", default=[], metavar="NAME=VALUE",
                        help="for the nodes, over what configs/*.env say")  # fmt: skip
    parser.add_argument("--keep", type=Path, help="a folder for the logs of the nodes")
    return parser


def _write(args: argparse.Namespace, trials: list[Trial], conditions: dict[str, str]) -> None:
    """After each trial: what an hour of them has told is not to hang on the last."""
    if args.json:
        told = {"conditions": conditions, "trials": [trial.as_json() for trial in trials]}
        args.json.write_text(json.dumps(told))
    if args.report:
        from loadtest.faults.report.page import write

        write(args.report, trials, conditions)


async def _run(args: argparse.Namespace) -> list[Trial]:
    trials: list[Trial] = []
    with tempfile.TemporaryDirectory(prefix="cf-", ignore_cleanup_errors=True) as made:
        folder = args.keep or Path(made)  # short: a socket's path has 107 bytes
        folder.mkdir(exist_ok=True)
        began_at = time.monotonic()
        over = dict(each.split("=", 1) for each in args.env)
        with cluster(folder, config=args.config, over=over) as nodes:
            _say(f"the nodes are up after {time.monotonic() - began_at:.0f} s")
            await asyncio.to_thread(nodes.deploy)
            await _readiness(nodes)
            _say(f"all is ready after {time.monotonic() - began_at:.0f} s; the script is heard")
            offline, live = _models(nodes)
            rates = Rates(uploads=args.uploads, num_talkers=args.talkers, talk_s=args.talk)
            script = await script_of(URL, offline, live, rates)
            plan = Plan(calm_s=args.calm, settle_s=args.settle)
            for name in args.only or FAULTS:
                for number in range(args.repetitions):
                    _say(f"{name} {number + 1}")
                    load = Load(URL, script, rates)
                    trial = await run_trial(name, FAULTS[name], nodes, load, plan, _say)
                    trials.append(trial)
                    _tell(trial)
                    _write(args, trials, _conditions(args, nodes, rates))
                    await _readiness(nodes)
    return trials


def _models(nodes: Cluster) -> tuple[tuple[str, ...], str]:
    models = nodes.document["applications"][0]["args"]["models"]
    live = [each["name"] for each in models if "streaming" in each]
    return tuple(each["name"] for each in models if "streaming" not in each), (live or [""])[0]


async def _readiness(nodes: Cluster) -> None:
    give_up_at = time.monotonic() + _READY_WITHIN_S
    async with httpx.AsyncClient(base_url=URL, timeout=10) as http:
        while time.monotonic() < give_up_at:
            try:
                is_ready = (await http.get("/ready")).status_code == 200
            except httpx.HTTPError:
                is_ready = False
            if is_ready and await asyncio.to_thread(nodes.is_whole):
                return
            await asyncio.sleep(0.5)
    raise TimeoutError(f"not whole: {nodes.census()} of {nodes.wanted}; {nodes.status()}")


def _conditions(args: argparse.Namespace, nodes: Cluster, rates: Rates) -> dict[str, str]:
    said = {
        "day": date.today().isoformat(),
        "machine": describe_machine(),
        "versions": describe_versions(),
        "commit": describe_commit(),
        **nodes.conditions,
        "load": f"{rates.uploads:g} uploads, {rates.events:g} with events and {rates.jobs:g} jobs "
        f"a second, {rates.num_talkers} live streams at any time",
    }
    said |= {"environment": " ".join(args.env)} if args.env else {}
    return {**said, "remark": args.remark} if args.remark else said


def _tell(trial: Trial) -> None:
    found, back = fates(trial.requests), recovery(trial)
    _say(
        f"  {found.num_requests} requests: {found.num_undisturbed} undisturbed, {found.refused} "
        f"refused, {found.wire} cut, {found.server} lost by the server, {found.wrong} wrong, "
        f"{found.never} never answered; as before after {back.as_before_s:.1f} s, whole after "
        f"{trial.whole_s if trial.whole_s is None else round(trial.whole_s, 1)} s, "
        f"silence {back.longest_silence_s:.1f} s"
    )
    for detail, count in found.details.most_common(8):
        _say(f"    {count} × {detail}")


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
