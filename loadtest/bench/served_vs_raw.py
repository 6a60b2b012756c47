"""The model's own throughput beside the server's, on the same clips; and where the time goes.

Each repetition runs the model alone, the server, and the model alone again: the ratio is taken
against the mean of its two neighbours, so that a machine that slows down slows both, and the two
neighbours against each other tell how far such a ratio can be trusted.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from loadtest.bench import report
from loadtest.bench.clips import Clip, make_clips
from loadtest.bench.cpu import cpu_s_by_group, spent
from loadtest.bench.load import Answer, BenchError, LoadRun, run_load
from loadtest.bench.raw import RawRun, run_raw
from loadtest.bench.results import Repetition, Results, Stages
from loadtest.bench.server import Server, model_of, own_server
from serve_app.config import ModelConfig, SimulatedConfig
from serve_app.errors import ConfigError
from serve_app.models.loader import load_recognizer
from serve_app.models.protocols import Recognizer

_EXAMPLES = """\
examples:
  python -m loadtest.bench --config configs/tiny.yaml --report docs/bench.md
  python -m loadtest.bench --config configs/simulated.yaml --dilate 20
  python -m loadtest.bench --config configs/tiny.yaml --url http://127.0.0.1:8000

A server of its own has one replica of each deployment, whatever the file says, so that one engine
faces one engine; its processes' CPU time is measured. At --url only times are.
"""


@dataclass(frozen=True, slots=True)
class _Bench:
    """What all repetitions have in common."""

    recognizer: Recognizer
    model: ModelConfig
    clips: Sequence[Clip]
    server: Server
    concurrency: int


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    try:
        results = _measure(args)
    except (BenchError, ConfigError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    report.print_tables(results)
    if args.report is not None:
        report.write(results, args.report)
        print(f"written: {args.report} and {args.report.with_suffix('.png')}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.bench",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, default=Path("configs/tiny.yaml"))
    parser.add_argument("--model", help="served name or alias (default: the file's default)")
    parser.add_argument("--url", help="measure a server that runs, not one of its own")
    parser.add_argument(
        "--clips",
        type=int,
        default=256,
        help="per repetition; a few times the callers, or their start counts (default: 256)",
    )
    parser.add_argument("--concurrency", type=int, default=64, help="callers (default: 64)")
    parser.add_argument("--repetitions", type=int, default=5, help="(default: 5)")
    parser.add_argument(
        "--dilate",
        type=float,
        default=1.0,
        metavar="X",
        help="make a simulated engine X times as slow, until it is what limits the server",
    )
    parser.add_argument("--report", type=Path, metavar="FILE.md", help="also writes FILE.png")
    return parser


def _measure(args: argparse.Namespace) -> Results:
    model = _dilated(model_of(args.config, args.model), args.dilate)
    clips = make_clips(args.clips, max_chunk_s=model.max_chunk_s, max_pause_s=model.max_pause_s)
    _say(f"loading {model.name}")
    recognizer = load_recognizer(model)
    serving: AbstractContextManager[Server]
    if args.url:
        serving = nullcontext(Server(args.url.rstrip("/"), pid=None))
    else:
        _say("starting a server")
        serving = own_server(args.config, model)
    with serving as server:
        bench = _Bench(recognizer, model, clips, server, args.concurrency)
        _say(f"warming up with {len(clips)} clips of {_audio_s(clips):.0f} s in all")
        _load(bench, args.concurrency)
        _say("one caller")
        alone = _load(bench, 1, clips[: max(1, len(clips) // 4)])
        repetitions = []
        for number in range(1, args.repetitions + 1):
            repetitions.append(_repeat(bench))
            _say(f"repetition {number} of {args.repetitions}: {repetitions[-1].ratio:.3f}")
    return Results(
        config=str(args.config),
        model=model,
        dilation=args.dilate,
        concurrency=args.concurrency,
        num_clips=len(clips),
        audio_s=_audio_s(clips),
        repetitions=tuple(repetitions),
        alone=_stages(alone.answers),
        crowded=_stages([answer for each in repetitions for answer in each.served.answers]),
    )


def _repeat(bench: _Bench) -> Repetition:
    before = run_raw(bench.recognizer, bench.clips, bench.model.batch)
    pid = bench.server.pid
    cpu_before = {} if pid is None else cpu_s_by_group(pid)
    served = _load(bench, bench.concurrency)
    cpu_s = {} if pid is None else spent(cpu_before, cpu_s_by_group(pid))
    after = run_raw(bench.recognizer, bench.clips, bench.model.batch)
    return Repetition(before, served, after, cpu_s, _num_same(before, served))


def _load(bench: _Bench, concurrency: int, clips: Sequence[Clip] | None = None) -> LoadRun:
    return run_load(
        bench.server.url, clips or bench.clips, model=bench.model.name, concurrency=concurrency
    )


def _num_same(raw: RawRun, served: LoadRun) -> int:
    pairs = zip(raw.texts, served.answers, strict=True)
    return sum(text.split() == answer.text.split() for text, answer in pairs)


def _stages(answers: Sequence[Answer]) -> Stages:
    """Means over the answers. What no stage accounts for is the rest: HTTP, hops, copies."""

    def mean(stage: str) -> float:
        return statistics.fmean(answer.stages_s.get(stage, 0.0) for answer in answers)

    decode_s, queue_s, model_s = mean("decode"), mean("queue"), mean("model")
    latencies_s = sorted(answer.latency_s for answer in answers)
    rest_s = statistics.fmean(latencies_s) - decode_s - queue_s - model_s
    return Stages(
        decode_s,
        queue_s,
        model_s,
        rest_s,
        p50_s=statistics.median(latencies_s),
        p95_s=latencies_s[int(0.95 * (len(latencies_s) - 1))],
    )


def _dilated(model: ModelConfig, factor: float) -> ModelConfig:
    if factor == 1.0:
        return model
    if model.kind != "simulated":
        raise BenchError("--dilate is for a simulated engine only")
    slow = SimulatedConfig(
        fixed_s=model.simulated.fixed_s * factor, per_audio_s=model.simulated.per_audio_s * factor
    )
    return model.model_copy(update={"simulated": slow})


def _audio_s(clips: Sequence[Clip]) -> float:
    return sum(clip.duration_s for clip in clips)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
