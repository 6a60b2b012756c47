"""Point 3: the same engine behind plain FastAPI, one request at a time, and behind LitServe.

All take turns with the server on the same clips of mixed lengths. Throughput is held against
throughput at the same 95th percentile of the time to an answer: the server's with all its callers;
the rivals', by the line through what they give with fewer and with more callers.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from loadtest.bench.clips import HEAVY_TAILED, Clip, lengths_s, noise_clips
from loadtest.bench.engines.batches import steady_part, throughput
from loadtest.bench.engines.dilated import batch_s, dilated
from loadtest.bench.findings import Figure, Finding, Plot, Row, Table
from loadtest.bench.load import run_load_for
from loadtest.bench.points.plan import Bench
from loadtest.bench.ratios import estimate, of_neighbours, quantile
from loadtest.bench.rivals.launch import rival
from serve_app.config import SimulatedConfig

_NUM_CLIPS = 256
_PLAIN_CALLERS = (2, 6)
_SIZES = (8, 16, 32, 64)
_AIM_PLAIN, _AIM_LITSERVE = 12.0, 1.3


@dataclass(frozen=True, slots=True)
class Level:
    """So many callers, in the steady part of a run."""

    callers: int
    rate: float
    """Audio seconds per second."""
    p95_s: float


def at_equal_p95(levels: Sequence[Level], p95_s: float) -> float:
    """The rate where the line through `levels` has this 95th percentile; beyond the last one, the
    last one's, for more callers only wait longer; before the first one, in proportion."""
    ascending = sorted(levels, key=lambda level: level.p95_s)
    if p95_s <= ascending[0].p95_s:
        return ascending[0].rate * p95_s / ascending[0].p95_s
    for lower, upper in pairwise(ascending):
        if p95_s <= upper.p95_s:
            share = (p95_s - lower.p95_s) / (upper.p95_s - lower.p95_s)
            return lower.rate + share * (upper.rate - lower.rate)
    return max(level.rate for level in ascending)


def best_batch_size(cost: SimulatedConfig, durations_s: Sequence[float]) -> int:
    """Of those that one would try, the one that gives most when batches are cut as clips come."""

    def rate(size: int) -> float:
        rows = [durations_s[at : at + size] for at in range(0, len(durations_s) - size, size)]
        took_s = sum(batch_s(cost, max(row) * len(row)) for row in rows)
        return sum(map(sum, rows)) / took_s

    return max(_SIZES, key=rate)


def run(bench: Bench) -> Finding:
    plan = bench.plan
    model = dilated(bench.simulated, plan.dilation)
    cost = model.simulated
    clips = noise_clips(HEAVY_TAILED, _NUM_CLIPS)
    size = best_batch_size(cost, lengths_s(HEAVY_TAILED, 4_096))
    bench.told.steps(1 + 5 * plan.rival_repetitions)
    bench.told.step("starting all three")
    engine = {"fixed_s": cost.fixed_s, "per_audio_s": cost.per_audio_s}
    wait_s = cost.fixed_s / 10
    server = bench.arena.serve(bench.simulated_config, model)
    found: dict[str, list[list[Level]]] = {"chorus": [], "plain FastAPI": [], "LitServe": []}
    with (
        rival("plain", **engine) as plain,
        rival("batched", **engine, max_batch_size=size, batch_timeout_s=wait_s) as lit,
    ):
        for _ in range(plan.rival_repetitions):
            runs = (
                ("chorus", server.url, (plan.callers,)),
                ("plain FastAPI", plain, _PLAIN_CALLERS),
                ("LitServe", lit, (plan.callers // 4, plan.callers // 2)),
            )
            for name, url, callers in runs:
                levels = []
                for count in callers:
                    bench.told.step(f"{name}, {count} callers")
                    levels.append(_level(url, clips, model.name, count, plan.rival_s))
                found[name].append(levels)
    return _finding(bench, found, size=size, wait_s=wait_s)


def _level(url: str, clips: Sequence[Clip], model: str, callers: int, for_s: float) -> Level:
    found = run_load_for(url, clips, model=model, concurrency=callers, for_s=for_s)
    batches = steady_part(found, clips, for_s)
    until = batches[-1].ended_at + batches[-1].model_s / 2  # all of its rows have theirs by then
    took_s = [
        answer.latency_s
        for answer in found.answers
        if batches[0].ended_at <= answer.answered_at <= until
    ]
    return Level(callers, throughput(batches), quantile(took_s, 0.95))


def _finding(
    bench: Bench, found: dict[str, list[list[Level]]], *, size: int, wait_s: float
) -> Finding:
    ours = [levels[0] for levels in found["chorus"]]
    against = {
        name: [
            own.rate / at_equal_p95(levels, own.p95_s)
            for own, levels in zip(ours, found[name], strict=True)
        ]
        for name in ("plain FastAPI", "LitServe")
    }
    rates = [each.rate for each in ours]
    control = estimate(of_neighbours(rates)) if len(rates) > 1 else None
    plotted = {
        name: sorted((level.p95_s, level.rate) for levels in repetitions for level in levels)
        for name, repetitions in found.items()
    }
    return Finding(
        point=3,
        title="The same engine behind others",
        figures=(
            Figure("throughput ÷ plain FastAPI's", estimate(against["plain FastAPI"]), control,
                   aim=_AIM_PLAIN, digits=2),
            Figure("throughput ÷ LitServe's", estimate(against["LitServe"]), control,
                   aim=_AIM_LITSERVE, digits=2),
        ),
        tables=(Table("Throughput, and how long answers take",
                      ("", "callers", "audio s/s", "p95, s"), _rows(found)),),
        plots=(Plot("Throughput by the time that answers take", "lines", plotted,
                    x="95th percentile, s", y="audio seconds per second"),),
        words=_words(bench.plan.dilation, size, wait_s),
        raw={name: [[(x.callers, x.rate, x.p95_s) for x in levels] for levels in repetitions]
             for name, repetitions in found.items()},
    )  # fmt: skip


def _rows(found: dict[str, list[list[Level]]]) -> list[Row]:
    """Medians over the repetitions."""
    return [
        (
            name,
            str(levels[0].callers),
            f"{statistics.median(level.rate for level in levels):.1f}",
            f"{statistics.median(level.p95_s for level in levels):.2f}",
        )
        for name, repetitions in found.items()
        for levels in zip(*repetitions, strict=True)
    ]


def _words(dilation: float, size: int, wait_s: float) -> tuple[str, ...]:
    return (
        f"The simulated engine, {dilation:g} × as slow, on clips of heavy-tailed "
        "lengths as PCM WAV. Plain FastAPI takes one at a time, in a thread. LitServe has one "
        f"worker, its faster queue, batches of at most {size} (of {_SIZES[0]} to {_SIZES[-1]} "
        f"the best for these lengths by the cost curve) and waits {wait_s * 1000:.0f} ms for "
        "them to fill; no thread of it decodes beside the engine, as none would by its "
        "documentation. Ratios are taken at the server's own 95th percentile.",
    )
