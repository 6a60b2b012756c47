"""Point 1: what is served beside what the engine alone gives, on the same clips.

Three engines: the embedded parakeet-tiny; a mid-size model on the CPU, where the ratio is also
taken of CPU seconds; and the simulated one, dilated until it is what limits. Each repetition lies
between two runs of the engine alone, and is held against their mean.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from loadtest.bench.clips import LIBRISPEECH_LIKE, make_clips, noise_clips
from loadtest.bench.engines.arms import Arms, measure
from loadtest.bench.engines.batches import sorted_packing
from loadtest.bench.engines.dilated import batch_s, dilated
from loadtest.bench.engines.midsize import config_of, midsize_model
from loadtest.bench.engines.stages import cpu_table, stages_of, stages_table
from loadtest.bench.findings import Figure, Finding, Plot, Table
from loadtest.bench.points.plan import TINY, Bench
from loadtest.bench.ratios import between_neighbours, estimate, of_neighbours
from loadtest.bench.server import model_of
from serve_app.config import ModelConfig

_AIM_SIMULATED, _AIM_CPU = 0.97, 0.95


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
            Figure("the same less what an idle server takes", estimate(midsize.busy_cpu_ratios)),
            _wall("mid-size model, throughput", midsize),
            _wall("parakeet-tiny, throughput", tiny),
            Figure("parakeet-tiny, CPU seconds", estimate(tiny.cpu_ratios)),
        ),
        tables=(
            _rates(tiny, midsize, simulated),
            _made_of(midsize, simulated),
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


def _midsize(bench: Bench) -> Arms:
    model = midsize_model()
    num_clips = max(16, round(bench.plan.midsize_audio_s / 7.4))
    with tempfile.TemporaryDirectory() as folder:
        config = config_of(model, Path(folder))
        return measure(bench, config, model, noise_clips(LIBRISPEECH_LIKE, num_clips))


def _simulated(bench: Bench) -> Arms:
    return measure(
        bench,
        bench.simulated_config,
        dilated(bench.simulated, bench.plan.dilation),
        noise_clips(LIBRISPEECH_LIKE, bench.plan.simulated_clips),
        concurrency=bench.plan.callers,
        for_s=bench.plan.steady_s,
    )


def _made_of(midsize: Arms, simulated: Arms) -> Table:
    """Each ratio as a product: what is lost in the batches, and what around them."""
    cost = simulated.model.simulated
    best = sorted_packing([clip.duration_s for clip in simulated.clips], simulated.model.batch)
    best_s = sum(batch_s(cost, batch.padded_s) for batch in best) / simulated.audio_s
    runs = simulated.steady_batches
    packing = [
        best_s * sum(b.audio_s for b in run) / sum(batch_s(cost, b.padded_s) for b in run)
        for run in runs
    ]
    busy = [
        sum(batch_s(cost, b.padded_s) for b in run[1:]) / (run[-1].ended_at - run[0].ended_at)
        for run in runs
    ]
    alone_s = [run.cpu_s for run in midsize.alone]
    engine_s = [groups.get(midsize.model.name, 0.0) for groups in midsize.cpu_s]
    replica = [1 / each for each in between_neighbours(alone_s, engine_s)]
    around = [own / sum(all_.values()) for own, all_ in zip(engine_s, midsize.cpu_s, strict=True)]
    rows = (
        ("simulated, throughput", "best batches ÷ served batches, by the cost curve",
         estimate(packing).shown(), "share of the time that the engine is at work",
         estimate(busy).shown()),
        ("mid-size model, CPU seconds", "alone ÷ the model's replica", estimate(replica).shown(),
         "the model's replica ÷ the whole server", estimate(around).shown()),
    )  # fmt: skip
    head = ("ratio", "in the batches", "", "around them", "")
    return Table("What the ratios are made of: one times the other", head, rows)


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
    "served throughput is taken from the end of its second batch to the last batch before the "
    "callers go home, its throughput alone over all clips.",
)
