"""Point 6: CPU by codec, by deployment, by request; and the cores that one H200 would need.

Decoding is measured in this process, by the code that the server's decoders run. The server's cost
is measured of short clips and of long ones: the line through the two has a part for each request
and a part for each audio second. What it takes when nobody asks is measured first and taken off.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from loadtest.bench.clips import Clip, noise_clip
from loadtest.bench.cpu import cpu_s_by_group, idle_per_s, spent
from loadtest.bench.engines.codecs import CODECS, encoded, speech
from loadtest.bench.engines.dilated import H200, full_rate, with_cost
from loadtest.bench.findings import Figure, Finding, Plot, Row, Table
from loadtest.bench.load import run_load
from loadtest.bench.points.plan import Bench
from loadtest.bench.ratios import Estimate, estimate
from serve_app.audio.decode import heard_blocks
from serve_app.config import BatchConfig

_SHORT_S, _LONG_S, _TYPICAL_S = 2.0, 20.0, 7.5
_CALLERS = 16
_CODEC_ROUNDS = 5
_MAX_CHUNK_S = 30.0
_FIRST = next(iter(CODECS))
_LONGER = f"{_FIRST}, longer than {_MAX_CHUNK_S:g} s"


@dataclass(frozen=True, slots=True)
class Line:
    """CPU seconds: so many for a request, and so many more for each audio second of it."""

    per_request_s: float
    per_audio_s: float

    def of(self, duration_s: float) -> float:
        return self.per_request_s + self.per_audio_s * duration_s


def line_through(short: tuple[float, float], long: tuple[float, float]) -> Line:
    """Two points (seconds of a clip, CPU seconds of its request); noise may not make it fall."""
    slope = max(0.0, (long[1] - short[1]) / (long[0] - short[0]))
    return Line(max(0.0, short[1] - slope * short[0]), slope)


def run(bench: Bench) -> Finding:
    plan = bench.plan
    bench.told.steps(2 + 2 * plan.repetitions + 1)
    bench.told.step("codecs")
    codecs = codec_costs(plan.codec_s)
    bench.told.step("starting a server")
    server = bench.arena.serve(bench.simulated_config, with_cost(bench.simulated, H200))
    assert server.pid is not None
    clips = {
        length_s: [noise_clip("a.wav", length_s, seed=seed) for seed in range(8)]
        for length_s in (_SHORT_S, _LONG_S)
    }
    name = bench.simulated.name
    run_load(server.url, clips[_SHORT_S] * 8, model=name, concurrency=_CALLERS)
    bench.told.step("nobody asks")
    idle = idle_per_s(server.pid, plan.idle_s)
    lines: dict[str, list[Line]] = {}
    totals: list[Line] = []
    for number in range(plan.repetitions):
        costs: dict[float, Mapping[str, float]] = {}
        for length_s in (_SHORT_S, _LONG_S):
            bench.told.step(f"clips of {length_s:g} s, {number + 1} of {plan.repetitions}")
            costs[length_s] = _per_request(
                server.url, server.pid, clips[length_s], name, plan.cost_requests, idle
            )
        for group in costs[_LONG_S]:
            points = [(at, costs[at].get(group, 0.0)) for at in (_SHORT_S, _LONG_S)]
            lines.setdefault(group, []).append(line_through(*points))
        totals.append(line_through(*((at, sum(costs[at].values())) for at in (_SHORT_S, _LONG_S))))
    return _finding(codecs, idle, lines, totals)


def codec_costs(duration_s: float) -> dict[str, Estimate]:
    """CPU seconds for each audio second, by codec; the rounds take turns. Last, the first codec
    with speech looked for, as it is in what is longer than a chunk."""
    samples = speech(duration_s)
    files = {codec: file for codec in CODECS if (file := encoded(samples, codec))}
    ways = [(codec, file, _MAX_CHUNK_S) for codec, file in files.items()]
    ways.append((_LONGER, files[_FIRST], 0.0))
    found: dict[str, list[float]] = {name: [] for name, _, _ in ways}
    for _ in range(_CODEC_ROUNDS + 1):
        for name, file, unheard_s in ways:
            found[name].append(_decoding_s(file, unheard_s) / duration_s)
    return {name: estimate(times[1:]) for name, times in found.items()}


def _decoding_s(file: bytes, unheard_s: float) -> float:
    began_at = time.process_time()
    for _ in heard_blocks(file, unheard_s=unheard_s):
        pass
    return time.process_time() - began_at


def _per_request(
    url: str, pid: int, clips: Sequence[Clip], model: str, count: int, idle: Mapping[str, float]
) -> dict[str, float]:
    """CPU seconds of a request by group, over what the group takes when nobody asks."""
    chosen = (list(clips) * (count // len(clips) + 1))[:count]
    before = cpu_s_by_group(pid)
    found = run_load(url, chosen, model=model, concurrency=_CALLERS)
    used = spent(before, cpu_s_by_group(pid))
    return {
        group: max(0.0, each - idle.get(group, 0.0) * found.wall_s) / count
        for group, each in used.items()
    }


def _finding(
    codecs: Mapping[str, Estimate],
    idle: Mapping[str, float],
    lines: Mapping[str, Sequence[Line]],
    totals: Sequence[Line],
) -> Finding:
    clips_per_s = full_rate(H200, BatchConfig()) / _TYPICAL_S
    cores = estimate([line.of(_TYPICAL_S) * clips_per_s for line in totals])
    per_request = estimate([line.of(_TYPICAL_S) * 1000 for line in totals])
    per_audio = estimate([line.of(_TYPICAL_S) / _TYPICAL_S * 1000 for line in totals])
    return Finding(
        point=6,
        title="CPU by codec, deployment and request",
        figures=(
            Figure(f"CPU of a request of {_TYPICAL_S:g} s", per_request, digits=1, unit="ms"),
            Figure("CPU for each audio second of it", per_audio, digits=2, unit="ms"),
            Figure("cores that one H200 needs", cores, digits=1),
            Figure("CPU when nobody asks", estimate([sum(idle.values())]), digits=2, unit="cores"),
        ),
        tables=(
            Table("Decoding", ("codec", "CPU ms per audio second", "× WAV PCM", "cores at an H200"),
                  list(_codec_rows(codecs, clips_per_s * _TYPICAL_S))),
            Table("The server, by deployment",
                  ("processes", "CPU ms per request", "and per audio second",
                   f"a clip of {_TYPICAL_S:g} s, ms", "cores at an H200", "idle, cores"),
                  list(_group_rows(lines, totals, idle, clips_per_s))),
        ),
        plots=_plots(codecs, lines, clips_per_s),
        words=_words(clips_per_s),
        raw={"lines": lines, "totals": totals, "idle": idle,
             "codecs": {name: each.median for name, each in codecs.items()}},
    )  # fmt: skip


def _words(clips_per_s: float) -> tuple[str, ...]:
    return (
        f"Decoding is of speech of real people, {_CODEC_ROUNDS} rounds in turn, by the "
        "server's own code, resampling included; in what is longer than a chunk, speech is looked "
        "for as well. The server's cost is of PCM WAV of 16 kHz, "
        f"{_CALLERS} callers, the simulated engine at its own speed, which costs no CPU; a "
        f"GPU's driver would. {_SHORT_S:g} s and {_LONG_S:g} s long clips give the line, with "
        "what the idle server takes taken off. The callers' own CPU is not in it.",
        f"One H200 by its curve takes {clips_per_s * _TYPICAL_S:,.0f} padded seconds a second "
        f"in full batches: {clips_per_s:,.0f} clips of {_TYPICAL_S:g} s. The cores are what "
        "that many requests cost on this machine's cores; no such load was ever run.",
    )


def _plots(
    codecs: Mapping[str, Estimate], lines: Mapping[str, Sequence[Line]], clips_per_s: float
) -> tuple[Plot, ...]:
    decoding = [(name, each.median * 1000) for name, each in reversed(list(codecs.items()))]
    cores = [(group, _median(found).of(_TYPICAL_S) * clips_per_s) for group, found in lines.items()]
    return (
        Plot("Decoding", "bars", {"": decoding}, x="CPU ms per audio second"),
        Plot(
            "Cores that one H200 needs",
            "bars",
            {"": sorted((bar for bar in cores if bar[1] >= 0.05), key=lambda bar: bar[1])},
            x=f"cores, clips of {_TYPICAL_S:g} s as PCM WAV",
        ),
    )


def _codec_rows(codecs: Mapping[str, Estimate], audio_per_s: float) -> Iterator[Row]:
    for name, each in codecs.items():
        yield (
            name,
            each.scaled(1000).shown(2),
            f"{each.median / codecs[_FIRST].median:.1f}",
            f"{each.median * audio_per_s:.1f}",
        )


def _group_rows(
    lines: Mapping[str, Sequence[Line]],
    totals: Sequence[Line],
    idle: Mapping[str, float],
    clips_per_s: float,
) -> Iterator[Row]:
    def row(name: str, line: Line, idle_cores: float) -> Row:
        of_typical_s = line.of(_TYPICAL_S)
        return (
            name,
            f"{line.per_request_s * 1000:.2f}",
            f"{line.per_audio_s * 1000:.3f}",
            f"{of_typical_s * 1000:.2f}",
            f"{of_typical_s * clips_per_s:.1f}",
            f"{idle_cores:.3f}",
        )

    medians = {group: _median(found) for group, found in lines.items()}
    for group, line in sorted(medians.items(), key=lambda each: -each[1].of(_TYPICAL_S)):
        yield row(group, line, idle.get(group, 0.0))
    yield row("whole server", _median(totals), sum(idle.values()))


def _median(lines: Sequence[Line]) -> Line:
    return Line(
        estimate([line.per_request_s for line in lines]).median,
        estimate([line.per_audio_s for line in lines]).median,
    )
