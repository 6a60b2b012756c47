"""Point 1: what is served beside what the engine alone gives, on the same clips.

Three engines: the embedded parakeet-tiny; a mid-size model on the CPU, where the ratio is also
taken of CPU seconds; and the simulated one, dilated until it is what limits. Each repetition lies
between two runs of the engine alone, and is held against their mean.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest.bench.clips import LIBRISPEECH_LIKE, Clip, make_clips, noise_clips
from loadtest.bench.cpu import cpu_s_by_group, spent
from loadtest.bench.engines.batches import batches_of, steady, throughput
from loadtest.bench.engines.dilated import dilated
from loadtest.bench.engines.midsize import config_of, midsize_model
from loadtest.bench.engines.raw import RawRun, run_raw
from loadtest.bench.engines.stages import cpu_table, stages_of, stages_table
from loadtest.bench.findings import Figure, Finding, Plot, Table
from loadtest.bench.load import Answer, BenchError, LoadRun, run_load, run_load_for
from loadtest.bench.points.plan import TINY, Bench
from loadtest.bench.ratios import between_neighbours, estimate, of_neighbours
from loadtest.bench.server import Server, model_of
from serve_app.config import ModelConfig
from serve_app.models.loader import load_recognizer

_CALLERS = 64
_SIMULATED_CLIPS = 512
"""So many that sorting them all leaves hardly any padding."""
_AIM_SIMULATED, _AIM_CPU = 0.97, 0.95


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
    steady_rates: Sequence[float] = ()
    """Of the served runs, where they were not of all clips once each."""

    @property
    def audio_s(self) -> float:
        return sum(clip.duration_s for clip in self.clips)

    @property
    def alone_rates(self) -> list[float]:
        return [self.audio_s / run.wall_s for run in self.alone]

    @property
    def served_rates(self) -> list[float]:
        return list(self.steady_rates) or [self.audio_s / run.wall_s for run in self.served]

    @property
    def cpu_ratios(self) -> list[float]:
        """The engine's alone over the whole server's."""
        whole_s = [sum(groups.values()) for groups in self.cpu_s]
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


def run(bench: Bench) -> Finding:
    plan = bench.plan
    bench.told.steps(3 * (2 * plan.repetitions + 3))
    tiny = tiny_arms(bench)
    midsize = _midsize(bench)
    simulated = _simulated(bench)
    return Finding(
        point=1,
        title="Served beside the engine alone",
        figures=(
            _wall(f"simulated, {plan.dilation:g} × as slow", simulated, aim=_AIM_SIMULATED),
            Figure(
                "mid-size model, CPU seconds", estimate(midsize.cpu_ratios),
                estimate(of_neighbours([run.cpu_s for run in midsize.alone])), aim=_AIM_CPU,
            ),
            _wall("mid-size model, throughput", midsize),
            _wall("parakeet-tiny, throughput", tiny),
            Figure("parakeet-tiny, CPU seconds", estimate(tiny.cpu_ratios)),
        ),
        tables=(
            _rates(tiny, midsize, simulated),
            _stages("Where the time of a request goes: parakeet-tiny", tiny),
            *_costs((tiny, midsize)),
        ),
        plots=_plots(tiny, midsize),
        words=_WORDS,
        raw={
            arms.model.name: {
                "alone": arms.alone_rates, "served": arms.served_rates, "cpu_s": arms.cpu_s,
            }
            for arms in (tiny, midsize, simulated)
        },
    )  # fmt: skip


def run_one(
    bench: Bench, config: Path, model: ModelConfig, *, url: str | None, concurrency: int
) -> Finding:
    """The same of one model of anybody's configuration, or of the server at `url`."""
    bench.told.steps(2 * bench.plan.repetitions + 3)
    clips = make_clips(
        bench.plan.num_clips, max_chunk_s=model.max_chunk_s, max_pause_s=model.max_pause_s
    )
    arms = measure(bench, config, model, clips, url=url, concurrency=concurrency)
    figures = [_wall(f"{model.name}, throughput", arms)]
    if any(arms.cpu_s) and model.kind != "simulated":
        figures.append(Figure(f"{model.name}, CPU seconds", estimate(arms.cpu_ratios)))
    return Finding(
        point=1,
        title=f"Served beside the engine alone: {model.name}",
        figures=figures,
        tables=(
            _rates(arms),
            _stages("Where the time of a request goes", arms),
            *(_costs([arms]) if any(arms.cpu_s) else ()),
        ),
        words=_WORDS[:1],
    )


def tiny_arms(bench: Bench) -> Arms:
    model = model_of(TINY, None)
    clips = make_clips(
        bench.plan.num_clips, max_chunk_s=model.max_chunk_s, max_pause_s=model.max_pause_s
    )
    return measure(bench, TINY, model, clips)


def measure(
    bench: Bench,
    config: Path,
    model: ModelConfig,
    clips: Sequence[Clip],
    *,
    url: str | None = None,
    concurrency: int = _CALLERS,
) -> Arms:
    """The engine alone and served in turn, all clips each time.

    Raises:
        BenchError: the server did not start, or refused a clip.
    """
    bench.told.step(f"{model.name}: loading, starting a server")
    recognizer = load_recognizer(model)
    server = Server(url.rstrip("/"), pid=None) if url else bench.arena.serve(config, model)
    bench.told.step(f"{model.name}: warming up")
    run_load(server.url, clips[:concurrency], model=model.name, concurrency=concurrency)
    single = run_load(
        server.url, clips[: max(8, len(clips) // 6)], model=model.name, concurrency=1
    ).answers
    alone, served, cpu_s = [], [], []
    for number in range(bench.plan.repetitions + 1):
        bench.told.step(f"{model.name}: alone")
        alone.append(run_raw(recognizer, clips, model.batch))
        if number == bench.plan.repetitions:
            break
        bench.told.step(f"{model.name}: served {number + 1} of {bench.plan.repetitions}")
        before = _cpu_s(server)
        served.append(run_load(server.url, clips, model=model.name, concurrency=concurrency))
        cpu_s.append(spent(before, _cpu_s(server)))
    return Arms(model, clips, alone, served, cpu_s, single)


def _midsize(bench: Bench) -> Arms:
    model = midsize_model()
    num_clips = max(16, round(bench.plan.midsize_audio_s / 7.4))
    with tempfile.TemporaryDirectory() as folder:
        config = config_of(model, Path(folder))
        return measure(bench, config, model, noise_clips(LIBRISPEECH_LIKE, num_clips))


def _simulated(bench: Bench) -> Arms:
    """The server is asked for a time, not for all clips once: its batches are few and long."""
    plan, model = bench.plan, dilated(bench.simulated, bench.plan.dilation)
    clips = noise_clips(LIBRISPEECH_LIKE, _SIMULATED_CLIPS)
    bench.told.step("simulated: starting a server")
    recognizer = load_recognizer(model)
    server = bench.arena.serve(bench.simulated_config, model)
    bench.told.step("simulated: warming up")
    single = run_load(server.url, clips[:4], model=model.name, concurrency=1).answers
    alone, served, cpu_s, rates = [], [], [], []
    for number in range(plan.repetitions + 1):
        bench.told.step("simulated: alone")
        alone.append(run_raw(recognizer, clips, model.batch))
        if number == plan.repetitions:
            break
        bench.told.step(f"simulated: served {number + 1} of {plan.repetitions}")
        before = _cpu_s(server)
        found = run_load_for(
            server.url, clips, model=model.name, concurrency=plan.callers, for_s=plan.steady_s
        )
        served.append(found)
        cpu_s.append(spent(before, _cpu_s(server)))
        rates.append(steady_rate(found, clips, plan.steady_s))
    return Arms(model, clips, alone, served, cpu_s, single, rates)


def steady_rate(found: LoadRun, clips: Sequence[Clip], for_s: float) -> float:
    """Audio seconds per second while all callers were there.

    Raises:
        BenchError: the run was too short for two batches.
    """
    until = min(each.answered_at - each.latency_s for each in found.answers) + for_s
    batches = steady(batches_of(found.answers, [clip.duration_s for clip in clips]), until=until)
    if len(batches) < 2:
        raise BenchError("too few batches in the steady part: measure for longer, or dilate less")
    return throughput(batches)


def _cpu_s(server: Server) -> dict[str, float]:
    return {} if server.pid is None else cpu_s_by_group(server.pid)


def _wall(name: str, arms: Arms, aim: float | None = None) -> Figure:
    return Figure(
        name,
        estimate(between_neighbours(arms.alone_rates, arms.served_rates)),
        estimate(of_neighbours(arms.alone_rates)),
        aim,
    )


def _rates(*engines: Arms) -> Table:
    rows = []
    for arms in engines:
        batch = arms.model.batch
        num_texts = sum(len(run.answers) for run in arms.served)
        rows.append(
            (
                arms.model.name,
                f"{batch.max_batch_audio_s:g} s, {batch.max_batch_size}",
                estimate(arms.alone_rates).shown(1),
                estimate(arms.served_rates).shown(1),
                f"{arms.audio_s / arms.alone[0].padded_s:.3f}",
                f"{arms.num_same_texts} of {num_texts}",
            )
        )
    head = ("engine", "budget", "alone, audio s/s", "served, audio s/s",
            "audio ÷ padded, alone", "texts as alone")  # fmt: skip
    return Table("Throughput", head, rows)


def _stages(title: str, arms: Arms) -> Table:
    answers = [answer for run in arms.served for answer in run.answers]
    columns = {"one caller": stages_of(arms.single), "many callers": stages_of(answers)}
    return stages_table(title, columns)


def _costs(given: Sequence[Arms]) -> list[Table]:
    tables = []
    for arms in given:
        num = sum(len(run.answers) for run in arms.served)
        audio_s = arms.audio_s * len(arms.served)
        table = cpu_table(
            f"Where the CPU goes: {arms.model.name}", arms.all_cpu_s, audio_s=audio_s, num=num
        )
        alone_s = sum(run.cpu_s for run in arms.alone) / len(arms.alone)
        share = estimate(arms.cpu_ratios).median
        row = (
            "the engine alone",
            f"{alone_s / arms.audio_s * 1000:.2f}",
            f"{alone_s / len(arms.clips) * 1000:.2f}",
            f"{share:.0%}",
        )
        tables.append(Table(table.title, table.head, (*table.rows, row)))
    return tables


def _plots(tiny: Arms, midsize: Arms) -> tuple[Plot, ...]:
    crowd = [answer for run in tiny.served for answer in run.answers]
    times = {"many callers": stages_of(crowd), "one caller": stages_of(tiny.single)}
    stacked: dict[str, list[tuple[str, float]]] = {}
    for name, stages in times.items():
        whole_s = sum(stages.parts_s.values())
        for part, time_s in stages.parts_s.items():
            stacked.setdefault(part, []).append((name, time_s / whole_s))
    costs = sorted(midsize.all_cpu_s.items(), key=lambda cost: cost[1])
    per_s = 1000 / (midsize.audio_s * len(midsize.served))
    bars = [(group, spent_s * per_s) for group, spent_s in costs if spent_s * per_s >= 0.02]
    return (
        Plot("Share of a request's time, parakeet-tiny", "stacked", stacked),
        Plot("CPU of the mid-size model's server", "bars", {"": bars}, x="CPU ms per audio second"),
    )


_WORDS = (
    "Alone is the engine's own forward and decoder in one process, over the same chunks sorted by "
    "length, in batches of the budget that the configuration gives the server. A request's "
    "`decode` includes the wait for a free decoder, its `queue` is the wait for the model, its "
    "`model` the whole time of the batch that it was in; `rest` is what no stage accounts for: "
    "HTTP and the hops between processes.",
    "parakeet-tiny hears recordings of real people in seven codecs, 64 callers at once. The "
    "mid-size model is a FastConformer TDT of 78 million random weights (12 layers, 512 wide) "
    "that never says a word, so that its decoder costs the least that a decoder can; it hears PCM "
    "WAV of LibriSpeech-like lengths. The simulated engine hears the same lengths. Its "
    "served throughput is taken from the end of its third batch to the last batch before the "
    "callers go home, its throughput alone over all clips.",
)
