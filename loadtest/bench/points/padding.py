"""Point 2: how much of what the engine works on is audio, and how full its batches are.

A queue stands in front of the dilated simulated engine. Its batches are read from the answers: the
rows of one batch are told the same time of the model. Beside them, what the same clips give when
all lengths are known beforehand, and when they are taken as they come.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.bench.clips import HEAVY_TAILED, LIBRISPEECH_LIKE, Mix, lengths_s, noise_clips
from loadtest.bench.engines.batches import (
    Batch,
    first_come_packing,
    lane_packing,
    sorted_packing,
    steady_part,
    window_packing,
)
from loadtest.bench.engines.dilated import batch_s, dilated, full_rate
from loadtest.bench.findings import Figure, Finding, Plot, Table
from loadtest.bench.load import run_load_for
from loadtest.bench.points.plan import Bench
from loadtest.bench.ratios import Estimate, estimate, pooled
from serve_app.config import ModelConfig

_NUM_CLIPS = 512
_NUM_BOUND_CLIPS = 4_096
_AIM = 0.95
_NUM_LANE_CLIPS = 20_000
"""So many that the lane's first windows, in which it knows no pace yet, weigh little."""
_MORE_THAN_HELD = 1_200
"""Callers: more than a replica may hold, so that more of them change nothing."""
_WINDOWS = (2, 8, 16)
"""Batches of the most rows that wait at once."""
_MIXES = (LIBRISPEECH_LIKE, HEAVY_TAILED)


@dataclass(frozen=True, slots=True)
class Packing:
    """One way to make batches of one mix."""

    mix: str
    name: str
    batches: Sequence[Batch]

    @property
    def efficiency(self) -> Estimate:
        return pooled([(batch.audio_s, batch.padded_s) for batch in self.batches])

    def fill(self, model: ModelConfig) -> Estimate:
        """Padded seconds over what the budget and the most rows of that length allow."""
        return pooled([(batch.padded_s, _room_s(batch, model)) for batch in self.batches])

    def of_peak(self, model: ModelConfig) -> float:
        """Audio per second of the engine over the most that its curve gives in full batches."""
        took_s = sum(batch_s(model.simulated, batch.padded_s) for batch in self.batches)
        audio_s = sum(batch.audio_s for batch in self.batches)
        return audio_s / took_s / full_rate(model.simulated, model.batch)


def _room_s(batch: Batch, model: ModelConfig) -> float:
    """A batch of short rows may be full by their number before it is by their weight."""
    longest_s = max(batch.durations_s)
    return min(model.batch.max_batch_audio_s, longest_s * model.batch.max_batch_size)


def run(bench: Bench) -> Finding:
    model = dilated(bench.simulated, bench.plan.dilation)
    bench.told.steps(len(_MIXES) + 1)
    bench.told.step("starting a server")
    server = bench.arena.serve(bench.simulated_config, model)
    packings = []
    for mix in _MIXES:
        bench.told.step(f"a queue of {mix.name} lengths")
        clips = noise_clips(mix, _NUM_CLIPS)
        found = run_load_for(
            server.url, clips, model=model.name,
            concurrency=bench.plan.callers, for_s=1.5 * bench.plan.steady_s,
        )  # fmt: skip
        batches = steady_part(found, clips, 1.5 * bench.plan.steady_s)
        packings += [Packing(mix.name, "served", batches), *_lane(mix, model, bench)]
        packings += _bounds(mix, model)
    return _finding(bench, model, packings)


def _lane(mix: Mix, model: ModelConfig, bench: Bench) -> list[Packing]:
    """What its own code makes of as many callers, and of more."""
    durations_s = lengths_s(mix, _NUM_LANE_CLIPS)
    return [
        Packing(
            mix.name,
            f"the lane, computed, {num_callers:,} callers",
            lane_packing(durations_s, model, num_callers=num_callers),
        )
        for num_callers in sorted({bench.plan.callers, _MORE_THAN_HELD})
    ]


def _bounds(mix: Mix, model: ModelConfig) -> list[Packing]:
    """Of many more clips of the same mix, by arithmetic."""
    durations_s = lengths_s(mix, _NUM_BOUND_CLIPS)
    windows = [
        Packing(
            mix.name,
            f"nearest to the oldest of {deep}",
            window_packing(durations_s, model.batch, num_waiting=deep),
        )
        for deep in (times * model.batch.max_batch_size for times in _WINDOWS)
    ]
    return [
        Packing(mix.name, "all lengths known", sorted_packing(durations_s, model.batch)),
        *windows,
        Packing(mix.name, "as they come", first_come_packing(durations_s, model.batch)),
    ]


def _finding(bench: Bench, model: ModelConfig, packings: Sequence[Packing]) -> Finding:
    served = [packing for packing in packings if packing.name == "served"]
    rows = [
        (
            packing.mix,
            packing.name,
            packing.efficiency.shown(),
            packing.fill(model).shown(),
            f"{packing.of_peak(model):.3f}",
            f"{sum(len(b.durations_s) for b in packing.batches) / len(packing.batches):.1f}",
            str(len(packing.batches)),
        )
        for packing in packings
    ]
    head = ("lengths", "batches", "audio ÷ padded", "padded ÷ room", "rate ÷ the curve's most",
            "rows", "number")  # fmt: skip
    series = {
        name: [(p.mix, p.efficiency.median) for p in packings if p.name == name]
        for name in dict.fromkeys(packing.name for packing in packings)
    }
    return Finding(
        point=2,
        title="Batches that waste nothing",
        figures=_figures(model, served),
        tables=(Table("Batches", head, rows),),
        plots=(Plot("Audio ÷ padded audio", "bars", series),),
        words=(_words(bench, model), _limits(packings)),
        raw={
            f"{packing.mix}, {packing.name}": [len(b.durations_s) for b in packing.batches]
            for packing in served
        },
    )


def _figures(model: ModelConfig, served: Sequence[Packing]) -> list[Figure]:
    figures = []
    for packing in served:
        middle = len(packing.batches) // 2
        halves = [
            Packing("", "", half).efficiency.median
            for half in (packing.batches[:middle], packing.batches[middle:])
        ]
        control = estimate([halves[1] / halves[0]])
        name = packing.mix
        figures.append(Figure(f"audio ÷ padded, {name}", packing.efficiency, control, aim=_AIM))
        figures.append(Figure(f"padded ÷ room, {name}", packing.fill(model)))
    return figures


def _words(bench: Bench, model: ModelConfig) -> str:
    return (
        f"{bench.plan.callers} callers on the simulated engine, {bench.plan.dilation:g} × as "
        f"slow; budget {model.batch.max_batch_audio_s:g} padded seconds and "
        f"{model.batch.max_batch_size} rows. The room of a batch is its budget, or what that "
        "number of its longest row weighs. `as they come` is what an order of arrival gives "
        "at best; `nearest to the oldest` takes the oldest chunk and those that are most like "
        "it, so nobody starves: more has to wait for less to be wasted. `the lane, computed` is "
        f"the lane's own code on {_NUM_LANE_CLIPS:,} lengths, always with so many callers and an "
        "engine that keeps to its curve: what is served can be no better. The "
        "control is the second half of the run over the first."
    )


def _limits(packings: Sequence[Packing]) -> str:
    """What an order of arrival can reach at all."""
    limits = [
        f"{packing.efficiency.median:.2f} of {packing.mix} lengths"
        for packing in packings
        if packing.name == "as they come"
    ]
    return (
        f"Batches of clips as they come are audio for {' and '.join(limits)}, whatever server "
        f"cuts them: {_AIM:g} can only be had by letting clips of like lengths pass others."
    )
