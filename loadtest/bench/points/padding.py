"""Point 2: how much of what the engine works on is audio, and how full its batches are.

A queue stands in front of the dilated simulated engine. Its batches are read from the answers: the
rows of one batch are told the same time of the model. Beside them, what the same clips give when
all lengths are known beforehand, and when they are taken as they come.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

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
_WAIT_S = 300.0
"""All of them may wait: who is refused is no part of a queue."""
_PATIENT_WINDOW_S = 2.0
_PATIENT_TIMES = 2.5
"""The callers of the patient lane, over the others."""
_WINDOWS = (2, 8, 16)
"""Batches of the most rows that wait at once."""
SERVED, PATIENT = "served", "served with twice the window"
_MIXES = (LIBRISPEECH_LIKE, HEAVY_TAILED)


@dataclass(frozen=True, slots=True)
class Way:
    """How a lane is set, and how many callers stand in front of it."""

    name: str
    model: ModelConfig
    num_callers: int


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
    ways = _ways(bench)
    bench.told.steps((len(_MIXES) + 1) * len(ways))
    packings = []
    for way in ways:
        bench.told.step(f"starting a server: {way.name}")
        limits = {"max_concurrent_requests": 2 * way.num_callers, "max_wait_s": _WAIT_S}
        server = bench.arena.serve(
            bench.simulated_config, way.model, limits, max_waiting=2 * way.num_callers
        )
        for mix in _MIXES:
            bench.told.step(f"{way.name}: a queue of {mix.name} lengths")
            packings += [_served(server.url, way, mix, bench), _lane(way, mix)]
    for mix in _MIXES:
        packings += [_lane(replace(ways[0], num_callers=_MORE_THAN_HELD), mix)]
        packings += _bounds(mix, ways[0].model)
    return _finding(bench, ways, packings)


def _ways(bench: Bench) -> tuple[Way, Way]:
    """As a model is served where its file says nothing, and with twice the window."""
    plan, model = bench.plan, bench.simulated
    full_s = batch_s(model.simulated, model.batch.max_batch_audio_s)
    batch = model.batch.model_copy(
        update={
            "window_s": _PATIENT_WINDOW_S,
            "max_batches_held": math.ceil(1 + _PATIENT_WINDOW_S / full_s),
        }
    )
    patient = dilated(model.model_copy(update={"batch": batch}), plan.dilation)
    return (
        Way(SERVED, dilated(model, plan.dilation), plan.callers),
        Way(PATIENT, patient, int(_PATIENT_TIMES * plan.callers)),
    )


def _served(url: str, way: Way, mix: Mix, bench: Bench) -> Packing:
    """Behind the first window, which begins before all callers are there and a pace is known."""
    clips = noise_clips(mix, _NUM_CLIPS)
    window_s = way.model.batch.window_s
    for_s = 2 * window_s + bench.plan.steady_s
    found = run_load_for(url, clips, model=way.model.name, concurrency=way.num_callers, for_s=for_s)
    batches = steady_part(found, clips, for_s)
    counts_from = batches[0].ended_at + 1.5 * window_s
    return Packing(mix.name, way.name, [each for each in batches if each.ended_at > counts_from])


def _lane(way: Way, mix: Mix) -> Packing:
    """What its own code makes of as many callers."""
    durations_s = lengths_s(mix, _NUM_LANE_CLIPS)
    batches = lane_packing(durations_s, way.model, num_callers=way.num_callers)
    return Packing(mix.name, f"{way.name}, computed, {way.num_callers:,} callers", batches)


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


def _finding(bench: Bench, ways: Sequence[Way], packings: Sequence[Packing]) -> Finding:
    model = ways[0].model
    served = [packing for packing in packings if packing.name in (SERVED, PATIENT)]
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
        words=(_words(bench, ways), _limits(packings)),
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
        name = packing.mix if packing.name == SERVED else f"{packing.mix}, {packing.name}"
        figures.append(Figure(f"audio ÷ padded, {name}", packing.efficiency, control, aim=_AIM))
        figures.append(Figure(f"padded ÷ room, {name}", packing.fill(model)))
    return figures


def _words(bench: Bench, ways: Sequence[Way]) -> str:
    model, patient = ways[0].model, ways[1]
    return (
        f"{bench.plan.callers} callers on the simulated engine, {bench.plan.dilation:g} × as "
        f"slow; with `window_s: {_PATIENT_WINDOW_S:g}` and `max_batches_held: "
        f"{patient.model.batch.max_batches_held:g}`, {patient.num_callers:,} of them; "
        f"budget {model.batch.max_batch_audio_s:g} padded seconds and "
        f"{model.batch.max_batch_size} rows. The room of a batch is its budget, or what that "
        "number of its longest row weighs. `as they come` is what an order of arrival gives "
        "at best; `nearest to the oldest` takes the oldest chunk and those that are most like "
        "it, so nobody starves: more has to wait for less to be wasted. `computed` is "
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
