"""One engine, alone and served in turn: each served run lies between two runs of it alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest.bench.clips import Clip
from loadtest.bench.cpu import cpu_s_by_group, idle_per_s, spent
from loadtest.bench.engines.batches import Batch, steady_part, throughput
from loadtest.bench.engines.raw import RawRun, run_raw
from loadtest.bench.load import Answer, LoadRun, run_load, run_load_for
from loadtest.bench.points.plan import Bench
from loadtest.bench.ratios import between_neighbours
from loadtest.bench.server import Server
from serve_app.config import ModelConfig
from serve_app.models.loader import load_recognizer

CALLERS = 64


@dataclass(frozen=True, slots=True)
class Arms:
    """One engine: the runs alone, and those served that lie between them."""

    model: ModelConfig
    clips: Sequence[Clip]
    alone: Sequence[RawRun]
    served: Sequence[LoadRun]
    cpu_s: Sequence[Mapping[str, float]]
    """Of each served run, by group of processes; empty of somebody else's server."""
    single: Sequence[Answer]
    """Of one caller, before."""
    idle: Mapping[str, float]
    """CPU seconds a second of each group when nobody asks."""
    steady_batches: Sequence[Sequence[Batch]] = ()
    """Of the served runs, where they were not of all clips once each."""

    @property
    def audio_s(self) -> float:
        return sum(clip.duration_s for clip in self.clips)

    @property
    def alone_rates(self) -> list[float]:
        return [self.audio_s / run.wall_s for run in self.alone]

    @property
    def served_rates(self) -> list[float]:
        if self.steady_batches:
            return [throughput(batches) for batches in self.steady_batches]
        return [self.audio_s / run.wall_s for run in self.served]

    @property
    def cpu_ratios(self) -> list[float]:
        """The engine's alone over the whole server's."""
        whole_s = [sum(groups.values()) for groups in self.cpu_s]
        return [1 / each for each in between_neighbours([run.cpu_s for run in self.alone], whole_s)]

    @property
    def busy_cpu_ratios(self) -> list[float]:
        """The same, with what the server takes when nobody asks taken off for as long as it was
        asked: a part that no longer counts where the load is of hundreds of cores."""
        idle = sum(self.idle.values())
        whole_s = [
            sum(groups.values()) - idle * run.wall_s
            for groups, run in zip(self.cpu_s, self.served, strict=True)
        ]
        return [1 / each for each in between_neighbours([run.cpu_s for run in self.alone], whole_s)]

    @property
    def num_same_texts(self) -> int:
        texts = self.alone[0].texts
        answers = [answer for run in self.served for answer in run.answers]
        return sum(texts[each.index].split() == each.text.split() for each in answers)

    @property
    def all_cpu_s(self) -> dict[str, float]:
        groups = {group for each in self.cpu_s for group in each}
        return {group: sum(each.get(group, 0.0) for each in self.cpu_s) for group in groups}


def measure(
    bench: Bench,
    config: Path,
    model: ModelConfig,
    clips: Sequence[Clip],
    *,
    url: str | None = None,
    concurrency: int = CALLERS,
    for_s: float | None = None,
) -> Arms:
    """The engine alone and served in turn, all clips each time; served over and over `for_s`, where
    that is given: for an engine whose batches are few and long.

    Raises:
        BenchError: the server did not start, refused a clip, or ran too few batches.
    """
    bench.told.step(f"{model.name}: loading, starting a server")
    recognizer = load_recognizer(model)
    server = Server(url.rstrip("/"), pid=None) if url else bench.arena.serve(config, model)
    bench.told.step(f"{model.name}: warming up")
    if for_s is None:
        run_load(server.url, clips[:concurrency], model=model.name, concurrency=concurrency)
    single = run_load(server.url, clips[: min(16, len(clips))], model=model.name, concurrency=1)
    idle = {} if server.pid is None else idle_per_s(server.pid, bench.plan.idle_s)
    alone, served, cpu_s = [], [], []
    for number in range(bench.plan.repetitions + 1):
        bench.told.step(f"{model.name}: alone")
        alone.append(run_raw(recognizer, clips, model.batch))
        if number == bench.plan.repetitions:
            break
        bench.told.step(f"{model.name}: served {number + 1} of {bench.plan.repetitions}")
        before = _cpu_s(server)
        served.append(_served(server, clips, model.name, concurrency, for_s))
        cpu_s.append(spent(before, _cpu_s(server)))
    steady = [steady_part(run, clips, for_s) for run in served] if for_s is not None else []
    return Arms(model, clips, alone, served, cpu_s, single.answers, idle, steady)


def _served(
    server: Server, clips: Sequence[Clip], model: str, concurrency: int, for_s: float | None
) -> LoadRun:
    if for_s is None:
        return run_load(server.url, clips, model=model, concurrency=concurrency)
    return run_load_for(server.url, clips, model=model, concurrency=concurrency, for_s=for_s)


def _cpu_s(server: Server) -> dict[str, float]:
    return {} if server.pid is None else cpu_s_by_group(server.pid)
