"""A recording of hours, made of known utterances, against its own parts.

It is handed in as one job, while the memory of the server's processes is watched; then each
utterance is sent alone. Do both give the same words, where were they said, and what does it cost?
Then a recording of an hour on 1, 2, 4 and 8 replicas of a simulated model.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from loadtest.bench.cpu import cpu_s_by_group, spent
from loadtest.bench.load import BenchError
from loadtest.bench.server import model_of, own_server
from loadtest.hours import report
from loadtest.hours.chunks import cut
from loadtest.hours.comparison import compare
from loadtest.hours.hearing import hear_parts, hear_whole
from loadtest.hours.memory import MemoryWatch
from loadtest.hours.recording import LATER_S, Recording, write_recording
from loadtest.hours.results import Results
from loadtest.hours.scaling import Scale, scales
from serve_app.client import Client
from serve_app.errors import ConfigError

_NUM_WARM_UP = 20
_QUICK_HOURS, _QUICK_SCALED_HOURS, _QUICK_REPLICAS = 0.1, 1 / 12, [1, 2]


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    if args.quick:
        args.hours, args.scaled_hours = _QUICK_HOURS, _QUICK_SCALED_HOURS
        args.replicas = _QUICK_REPLICAS if args.replicas else []
    try:
        with tempfile.TemporaryDirectory() as folder, _Bar() as bar:
            results = _measure(args, Path(folder), bar)
    except (BenchError, ConfigError) as error:
        print(f"hours: {error}", file=sys.stderr)
        return 1
    report.print_tables(results)
    if args.report:
        report.write(results, args.report, args.remark)
    if args.differences:
        args.differences.write_text("\n".join(report.differing(results)) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtest.hours", description=__doc__)
    add = parser.add_argument
    add("--config", type=Path, default=Path("configs/tiny.yaml"), help="(default: %(default)s)")
    add("--model", help="served name or alias (default: the file's default)")
    add("--hours", type=float, default=3.0, help="of the recording (default: %(default)s)")
    add("--seed", type=int, default=1, help="of the recording (default: %(default)s)")
    add("--simulated", type=Path, default=Path("configs/simulated.yaml"), metavar="CONFIG",
        help="of the replicas (default: %(default)s)")  # fmt: skip
    add("--replicas", type=int, nargs="*", default=[1, 2, 4, 8], metavar="N",
        help="of the simulated model; none: that part is left out")  # fmt: skip
    add("--scaled-hours", type=float, default=1.0, help="of their recording")
    add("--quick", action="store_true", help="six minutes, and five on 1 and 2 replicas")
    add("--report", type=Path, help="write a page of Markdown here, and its plot")
    add("--remark", help="a line for the page: what else the machine did, for example")
    add("--differences", type=Path, help="write each utterance that differs here")
    return parser


class _Bar:
    """How far each step is, on a terminal."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} {task.fields[unit]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def step(self, what: str, total: float, unit: str = "s") -> "_Step":
        return _Step(self._progress, int(self._progress.add_task(what, total=total, unit=unit)))


@dataclass(frozen=True, slots=True)
class _Step:
    progress: Progress
    task: int

    def to(self, done: float) -> None:
        self.progress.update(self.task, completed=done)  # type: ignore[arg-type]

    def on(self) -> None:
        self.progress.advance(self.task)  # type: ignore[arg-type]


def _measure(args: argparse.Namespace, folder: Path, bar: _Bar) -> Results:
    model = model_of(args.config, args.model)
    recording = _written(folder / "whole.flac", args.hours, args.seed, bar)
    duration_s = recording.duration_s
    cuts = cut(recording.path, model, bar.step("how it is cut", duration_s).to)
    with own_server(args.config, model) as server, Client(server.url) as client:
        assert server.pid is not None
        for spoken in recording.utterances[:_NUM_WARM_UP]:
            client.transcribe(recording.alone(spoken), model=model.name)
        before = cpu_s_by_group(server.pid)
        told = bar.step("the whole", duration_s).to
        with MemoryWatch(server.pid) as watch:
            whole = hear_whole(client, recording.path, model=model.name, told=told)
        cpu_s = spent(before, cpu_s_by_group(server.pid))
        began_at = time.monotonic()
        step = bar.step("its parts", len(recording.utterances), "utterances")
        parts = hear_parts(client, recording, model=model.name, told=step.on)
        parts_s = time.monotonic() - began_at
        step = bar.step("its parts again", len(recording.utterances), "utterances")
        again = hear_parts(client, recording, model=model.name, pad_s=LATER_S, told=step.on)
    scaled_audio_s, scaled = _scaled(args, folder, bar)
    return Results(
        config=str(args.config),
        model=model.name,
        seed=args.seed,
        recording=recording,
        whole=whole,
        parts_s=parts_s,
        comparison=compare(recording, whole.words, parts, again, cuts.chunks),
        cuts=cuts,
        memory=watch.samples,
        cpu_s=cpu_s,
        scaled_audio_s=scaled_audio_s,
        scales=scaled,
    )


def _scaled(args: argparse.Namespace, folder: Path, bar: _Bar) -> tuple[float, list[Scale]]:
    if not args.replicas:
        return 0.0, []
    recording = _written(folder / "scaled.flac", args.scaled_hours, args.seed + 1, bar)
    steps = {count: bar.step(f"replicas: {count}", recording.duration_s) for count in args.replicas}
    found = scales(
        args.simulated,
        recording.path,
        recording.alone(recording.utterances[0]),
        args.replicas,
        lambda count, done_s: steps[count].to(done_s),
    )
    return recording.duration_s, found


def _written(path: Path, hours: float, seed: int, bar: _Bar) -> Recording:
    told = bar.step(f"a recording of {hours:.3g} hours", hours * 3600).to
    return write_recording(path, duration_s=hours * 3600, seed=seed, written=told)


if __name__ == "__main__":
    sys.exit(main())
