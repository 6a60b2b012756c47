"""Streams at real-time pace, more and more of them, until the server holds no more.

First the model alone: what one fused step costs by the number of its streams. Then a server of
that model, or the one at `--url`: how late its words come with 1, 16, … streams at once.
"""

import argparse
import asyncio
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from loadtest.bench.load import BenchError
from loadtest.bench.server import Server, own_server, streaming_model_of
from loadtest.streams import report
from loadtest.streams.engine import step_costs
from loadtest.streams.results import Level, Results
from loadtest.streams.speakers import speak_all
from loadtest.streams.utterances import recording
from serve_app.errors import ConfigError

_MOST_RECORDINGS = 64


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    try:
        results = _measure(args)
    except (BenchError, ConfigError) as error:
        print(f"streams: {error}", file=sys.stderr)
        return 1
    report.print_tables(results)
    if args.report:
        report.write(results, args.report)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtest.streams", description=__doc__)
    add = parser.add_argument
    add("--config", type=Path, default=Path("configs/tiny.yaml"), help="(default: %(default)s)")
    add("--model", help="served name or alias (default: the file's first that streams)")
    add("--url", help="measure a server that runs, as it is")
    add("--streams", type=int, nargs="+", default=[1, 4, 8, 16, 24, 32, 48, 64], metavar="N")
    add("--seconds", type=float, default=20.0, help="of each stream (default: %(default)s)")
    add("--steps", type=int, default=120, help="of the model alone, each count (default: 120)")
    add("--report", type=Path, help="write a page of Markdown here, and its plot")
    return parser


def _measure(args: argparse.Namespace) -> Results:
    model = streaming_model_of(args.config, args.model)
    most = min(max(args.streams), _MOST_RECORDINGS)
    recordings = [recording(seed, at_least_s=args.seconds) for seed in range(most)]
    _say("the model alone")
    costs = step_costs(model, args.streams, recordings, args.steps)
    serving: AbstractContextManager[Server]
    if args.url:
        serving = nullcontext(Server(args.url.rstrip("/"), pid=None))
    else:
        _say("starting a server")
        serving = own_server(args.config, model)
    levels = []
    with serving as server:
        for count in args.streams:
            chosen = [recordings[index % len(recordings)] for index in range(count)]
            streams = asyncio.run(speak_all(server.url, model.name, chosen, apart_s=3.0))
            levels.append(Level(tuple(streams)))
            _say(f"{count} streams: {'held' if levels[-1].is_held else 'not held'}")
            if not levels[-1].is_held:
                break
    return Results(str(args.config), model.name, costs, levels)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
