"""Point 4: what the graph costs by itself: the way of a request to an engine that takes no time.

Beside it, on the same uploads and in turn with it, uvicorn and FastAPI that only read them.
"""

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.bench.clips import Clip, noise_clip
from loadtest.bench.cpu import cpu_s_by_group, spent
from loadtest.bench.engines.dilated import with_cost
from loadtest.bench.engines.stages import cpu_table, stages_of, stages_table
from loadtest.bench.findings import Figure, Finding, Plot, Table
from loadtest.bench.load import Answer, LoadRun, run_load, run_load_for
from loadtest.bench.points.plan import Bench
from loadtest.bench.profiles.sampling import profile_table, sampled
from loadtest.bench.ratios import Estimate, estimate, of_neighbours
from loadtest.bench.rivals.launch import rival
from loadtest.bench.server import Server
from serve_app.config import ModelConfig, SimulatedConfig
from serve_app.models.protocols import RecognitionOptions, RecognitionRequest
from serve_app.models.simulated import SimulatedRecognizer

_CLIP_S = 5.0
_AIM_MS = 5.0
_PROFILED = ("Ingress", "HTTP proxy", "Preprocessor")


@dataclass(frozen=True, slots=True)
class Turn:
    """One caller, then many, on one of the two."""

    alone: LoadRun
    crowd: LoadRun

    @property
    def p50_ms(self) -> float:
        return statistics.median(each.latency_s for each in self.alone.answers) * 1000

    @property
    def per_s(self) -> float:
        return len(self.crowd.answers) / self.crowd.wall_s


def run(bench: Bench) -> Finding:
    plan = bench.plan
    model = with_cost(bench.simulated, SimulatedConfig(fixed_s=0.0, per_audio_s=0.0))
    clips = [noise_clip("a.wav", _CLIP_S, seed=seed) for seed in range(16)]
    bench.told.steps(2 + 2 * plan.repetitions)
    bench.told.step("starting both")
    server = bench.arena.serve(bench.simulated_config, model)
    assert server.pid is not None
    ours: list[Turn] = []
    bares: list[Turn] = []
    with rival("bare") as bare:
        for url in (server.url, bare):
            run_load(url, clips * 4, model=model.name, concurrency=plan.graph_callers)
        before = cpu_s_by_group(server.pid)
        for number in range(plan.repetitions):
            for name, url, turns in (("chorus", server.url, ours), ("bare", bare, bares)):
                bench.told.step(f"{name}, {number + 1} of {plan.repetitions}")
                turns.append(_turn(bench, url, clips, model.name))
        cpu_s = spent(before, cpu_s_by_group(server.pid))
    bench.told.step("a profile")
    profile = profile_table(_profiled(bench, server, clips, model.name))
    return _finding(bench, ours, bares, cpu_s, profile, _engine_ms(model, clips))


def _engine_ms(model: ModelConfig, clips: Sequence[Clip]) -> float:
    """What the engine itself takes for one clip."""
    engine, took_s = SimulatedRecognizer(model), []
    for clip in clips:
        request = RecognitionRequest(clip.chunks[0], RecognitionOptions())
        began_at = time.perf_counter()
        engine.recognize(engine.prepare([request]))
        took_s.append(time.perf_counter() - began_at)
    return statistics.median(took_s) * 1000


def _profiled(
    bench: Bench, server: Server, clips: Sequence[Clip], model: str
) -> dict[str, Counter[str]]:
    """Whose code the processes are in, with as many callers as before."""
    assert server.pid is not None

    def load() -> None:
        run_load_for(
            server.url, clips, model=model, concurrency=bench.plan.graph_callers,
            for_s=bench.plan.profile_s,
        )  # fmt: skip

    groups = (*_PROFILED, model)
    return sampled(server.pid, groups, for_s=bench.plan.profile_s, load=load)


def _turn(bench: Bench, url: str, clips: Sequence[Clip], model: str) -> Turn:
    num, callers = bench.plan.graph_requests, bench.plan.graph_callers
    chosen = (list(clips) * (num // len(clips) + 1))[:num]
    return Turn(
        run_load(url, chosen[: num // 2], model=model, concurrency=1),
        run_load(url, chosen, model=model, concurrency=callers),
    )


def _finding(
    bench: Bench,
    ours: Sequence[Turn],
    bares: Sequence[Turn],
    cpu_s: dict[str, float],
    profile: Table,
    engine_ms: float,
) -> Finding:
    callers = bench.plan.graph_callers
    alone: list[Answer] = [answer for turn in ours for answer in turn.alone.answers]
    crowd: list[Answer] = [answer for turn in ours for answer in turn.crowd.answers]
    over_ms = [turn.p50_ms - engine_ms for turn in ours]
    per_s = estimate([turn.per_s for turn in ours])
    bare_per_s = estimate([turn.per_s for turn in bares])
    bare_ms = estimate([turn.p50_ms for turn in bares])
    columns = {"one caller": stages_of(alone), f"{callers} callers": stages_of(crowd)}
    return Finding(
        point=4,
        title="What the graph itself costs",
        figures=(
            Figure("p50 of one caller less the engine's time", estimate(over_ms), _control(over_ms),
                   aim=_AIM_MS, is_at_most=True, digits=2, unit="ms"),
            Figure("the same of bare uvicorn", bare_ms, digits=2, unit="ms"),
            Figure(f"requests a second, {callers} callers", per_s, digits=1),
            Figure("the same of bare uvicorn", bare_per_s, digits=1),
        ),
        tables=(
            stages_table("Where the time goes with an engine that takes none", columns),
            cpu_table("Where the CPU goes", cpu_s,
                      audio_s=_CLIP_S * (len(alone) + len(crowd)), num=len(alone) + len(crowd)),
            profile,
        ),
        plots=(Plot("Time of a request to an engine that takes none", "bars",
                    {name: [(part, 1000 * s) for part, s in stages.parts_s.items()]
                     for name, stages in list(columns.items())[:1]}, x="ms, one caller"),),
        words=_words(engine_ms),
        raw={"chorus": [(t.p50_ms, t.per_s) for t in ours],
             "bare": [(t.p50_ms, t.per_s) for t in bares]},
    )  # fmt: skip


def _words(engine_ms: float) -> tuple[str, ...]:
    return (
        f"Clips of {_CLIP_S:g} s as PCM WAV ({_CLIP_S * 32:.0f} kB) over connections that are "
        "kept; each is decoded in a child process, cut, handed to the engine, which sleeps "
        "for no time, merged and rendered. What is taken off for the engine is what the same "
        f"engine takes in this process, {engine_ms:.2f} ms, for it still makes words. Both take "
        "turns.",
    )


def _control(values: Sequence[float]) -> Estimate | None:
    """One repetition over the one before."""
    return estimate(of_neighbours(values)) if len(values) > 1 else None
