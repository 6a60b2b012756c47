"""Point 5: how many live streams are held at real time, over what the step's cost allows.

The simulated engine's step is so slow that `bound` streams fill exactly the time of the audio that
a step takes. Held means that all streams came to their end, and 95 of 100 of their final texts
within 1.5 s of their audio's end.
"""

import asyncio
import math

from loadtest.bench.engines.dilated import with_cost
from loadtest.bench.findings import Figure, Finding, Plot, Row, Table
from loadtest.bench.points.plan import SIMULATED, Bench
from loadtest.bench.ratios import Estimate, estimate, of_neighbours
from loadtest.bench.server import Server, streaming_model_of
from loadtest.streams.results import HELD_FINAL_S, Level
from loadtest.streams.speakers import speak_all
from loadtest.streams.utterances import Recording, recording
from serve_app.config import ModelConfig, SimulatedConfig

_STEP_AUDIO_S = 0.16
"""Of the simulated engine: its default look-ahead of one frame of 80 ms, and its own."""
_FIXED_SHARE = 0.15
"""Of a full step's time, what it takes however few streams it has."""
_APART_S = 2.0
_AIM = 0.90
_TOO_MANY = 1.125
"""Times the bound: were so many held, the bound would be none."""


def costs_for(bound: int) -> SimulatedConfig:
    """A step of `bound` streams takes the time of the audio that it takes of each."""
    fixed_s = _FIXED_SHARE * _STEP_AUDIO_S
    return SimulatedConfig(fixed_s=fixed_s, per_stream_s=(_STEP_AUDIO_S - fixed_s) / bound)


def run(bench: Bench) -> Finding:
    plan = bench.plan
    bound = plan.stream_bound
    model = with_cost(streaming_model_of(SIMULATED, None), costs_for(bound))
    half, ninety = bound // 2, math.ceil(_AIM * bound)
    bench.told.steps(2 + plan.stream_repetitions * 4)
    bench.told.step("starting a server")
    server = bench.arena.serve(bench.simulated_config, model)
    recordings = [recording(seed, at_least_s=plan.stream_s) for seed in range(bound)]
    bench.told.step("warming up")
    _hear(server, model, recordings, 2)
    levels: list[Level] = []
    held: list[int] = []
    for number in range(plan.stream_repetitions):
        most = 0
        for count in (half, ninety, *_between(ninety, bound)):
            bench.told.step(f"{count} of {bound} streams, repetition {number + 1}")
            levels.append(_hear(server, model, recordings, count))
            if levels[-1].is_held:
                most = max(most, count)
            elif count > ninety:
                break
        held.append(most)
    return _finding(bound, half, ninety, levels, held, model)


def _between(low: int, high: int) -> list[int]:
    """What to try above 90 % of the bound; more than the bound must not hold."""
    return sorted({(low + high) // 2, high, math.ceil(_TOO_MANY * high)} - {low})


def _hear(server: Server, model: ModelConfig, recordings: list[Recording], count: int) -> Level:
    chosen = [recordings[index % len(recordings)] for index in range(count)]
    return Level(tuple(asyncio.run(speak_all(server.url, model.name, chosen, apart_s=_APART_S))))


def _finding(
    bound: int, half: int, ninety: int, levels: list[Level], held: list[int], model: ModelConfig
) -> Finding:
    lags = {
        count: estimate([p50_s * 1000 for p50_s in _p50_s(levels, count)] or [math.nan])
        for count in (half, ninety)
    }
    points = sorted(
        (level.num_streams, level.final_lag.p95 * 1000) for level in levels if level.final_lag
    )
    return Finding(
        point=5,
        title="Live streams at real time",
        figures=(
            Figure("streams held ÷ bound", estimate([most / bound for most in held]), aim=_AIM,
                   control=_control(levels, half)),
            Figure(f"final text at half of it ({half}), p50", lags[half], digits=0, unit="ms"),
            Figure(f"final text at 90 % of it ({ninety}), p50", lags[ninety], digits=0, unit="ms"),
        ),
        tables=(Table("Streams, and how late their final texts come",
                      ("streams", "÷ bound", "final text, ms (p50 / p95 / p99)", "failed", "held"),
                      _rows(bound, levels)),),
        plots=(Plot("Final text behind the end of the audio", "lines", {"p95": points},
                    x="streams", y="ms"),),
        words=_words(bound, model.simulated, _length_s(levels)),
        raw={"held": held, "levels": [(level.num_streams, str(level.final_lag), level.failures)
                                      for level in levels]},
    )  # fmt: skip


def _rows(bound: int, levels: list[Level]) -> list[Row]:
    return [
        (
            str(level.num_streams),
            f"{level.num_streams / bound:.2f}",
            str(level.final_lag or ""),
            str(len(level.failures)),
            "yes" if level.is_held else "no",
        )
        for level in sorted(levels, key=lambda level: level.num_streams)
    ]


def _length_s(levels: list[Level]) -> float:
    return min(stream.recording.duration_s for level in levels for stream in level.streams)


def _words(bound: int, cost: SimulatedConfig, length_s: float) -> tuple[str, ...]:
    return (
        f"The simulated engine with a step of {cost.fixed_s * 1000:.0f} ms and "
        f"{cost.per_stream_s * 1000:.2f} ms for each stream, for {_STEP_AUDIO_S * 1000:.0f} ms "
        f"of audio: {bound} streams are the bound. Recordings of digits that real people said, "
        "in packets of 100 ms, at the pace at which they were said, over `/asr`. Held: all "
        f"came to their end, and 95 of 100 final texts within {HELD_FINAL_S:g} s. Tried "
        "are half of the bound, 90 % of it, and more, up to an eighth above the bound, until "
        "one is not held. The control is the p50 at half of it, a repetition over the one "
        f"before. Streams last {length_s:.0f} s and longer: one that falls behind by a "
        "hundredth of its time is not told from one that keeps up.",
    )


def _p50_s(levels: list[Level], count: int) -> list[float]:
    """Of the final texts of each repetition with so many streams."""
    return [
        level.final_lag.p50
        for level in levels
        if level.num_streams == count and level.final_lag is not None
    ]


def _control(levels: list[Level], half: int) -> Estimate | None:
    p50_s = _p50_s(levels, half)
    return estimate(of_neighbours(p50_s)) if len(p50_s) > 1 else None
