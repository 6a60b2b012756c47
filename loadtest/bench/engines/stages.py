"""Answers in, where the time of their requests went out."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loadtest.bench.findings import Row, Table
from loadtest.bench.load import Answer
from loadtest.bench.ratios import quantile


@dataclass(frozen=True, slots=True)
class Stages:
    """Mean time of a request by stage, and quantiles of the whole."""

    parts_s: Mapping[str, float]
    """`decode`, `queue`, `model`, and `rest`: what no stage accounts for: HTTP, hops, copies."""
    p50_s: float
    p95_s: float


def stages_of(answers: Sequence[Answer]) -> Stages:
    def mean(stage: str) -> float:
        return statistics.fmean(answer.stages_s.get(stage, 0.0) for answer in answers)

    parts_s = {stage: mean(stage) for stage in ("decode", "queue", "model")}
    latencies_s = [answer.latency_s for answer in answers]
    parts_s["rest"] = statistics.fmean(latencies_s) - sum(parts_s.values())
    return Stages(parts_s, statistics.median(latencies_s), quantile(latencies_s, 0.95))


def stages_table(title: str, columns: Mapping[str, Stages]) -> Table:
    """Mean milliseconds and shares, a column for each load."""

    def row(name: str, times_s: Sequence[float]) -> Row:
        cells = [name]
        for time_s, stages in zip(times_s, columns.values(), strict=True):
            whole_s = sum(stages.parts_s.values())
            cells.append(f"{time_s * 1000:.1f} ({time_s / whole_s:.0%})")
        return cells

    rows = [
        row(part, [stages.parts_s[part] for stages in columns.values()])
        for part in ("decode", "queue", "model", "rest")
    ]
    rows.append(["median", *(f"{stages.p50_s * 1000:.1f}" for stages in columns.values())])
    rows.append(["95th percentile", *(f"{stages.p95_s * 1000:.1f}" for stages in columns.values())])
    return Table(title, ("mean ms of a request", *columns), rows)


def cpu_table(title: str, cpu_s: Mapping[str, float], *, audio_s: float, num: int) -> Table:
    """CPU seconds by group of processes, the largest first."""
    whole_s = sum(cpu_s.values())
    rows: list[Row] = [
        (
            group,
            f"{spent_s / audio_s * 1000:.2f}",
            f"{spent_s / num * 1000:.2f}",
            f"{spent_s / whole_s:.0%}",
        )
        for group, spent_s in sorted(cpu_s.items(), key=lambda cost: -cost[1])
        if spent_s / whole_s >= 0.0005
    ]
    rows.append(
        (
            "whole server",
            f"{whole_s / audio_s * 1000:.2f}",
            f"{whole_s / num * 1000:.2f}",
            "100%",
        )
    )
    head = ("processes", "CPU ms per audio second", "CPU ms per request", "share")
    return Table(title, head, rows)
