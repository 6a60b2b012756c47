"""Point 7: what is answered when twice and ten times as much comes as can be done.

The peak is the most that a closed loop of callers gets, of several numbers of them, refused or not;
then come twice and ten times as many requests a
second, by a Poisson process that waits for nobody; then the peak again (`loadtest.overload`).
"""

import asyncio
from collections.abc import Sequence

from loadtest.bench.findings import Figure, Finding, Plot, Table
from loadtest.bench.points.plan import Bench
from loadtest.bench.ratios import estimate, quantile
from loadtest.overload.flood import BATCH, COST, MAX_WAIT_S, Flood, Load, flood, slow
from loadtest.overload.results import Phase, refusal_times_s

_AIM = 0.95


def run(bench: Bench) -> Finding:
    plan = bench.plan
    load = Load(
        plan.overload_repetitions,
        settle_s=plan.overload_settle_s,
        measure_s=plan.overload_measure_s,
    )
    bench.told.steps(3 + len(load.callers) + 3 * load.repetitions)
    bench.told.step("starting a server")
    model = slow(bench.simulated)
    server = bench.arena.serve(bench.simulated_config, model, {"max_wait_s": MAX_WAIT_S})
    return finding(asyncio.run(flood(server.url, model.name, load, bench.told.step)))


def finding(flooded: Flood) -> Finding:
    found = flooded.repetitions
    control = estimate([each.control for each in found])
    peaks = [found[0].before, *(each.after for each in found)]
    loads = {
        **{f"{number} callers": [phase] for number, phase in flooded.by_callers.items()},
        "peak": peaks,
        "2 ×": [each.double for each in found],
        "10 ×": [each.tenfold for each in found],
    }
    goodputs = {name: estimate([phase.goodput for phase in phases]) for name, phases in
                loads.items()}  # fmt: skip
    return Finding(
        point=7,
        title="Goodput when too much comes",
        figures=(
            Figure("goodput at 2 × ÷ the peak", estimate([each.double_ratio for each in found]),
                   control, aim=_AIM),
            Figure("goodput at 10 × ÷ the peak", estimate([each.ratio for each in found]),
                   control, aim=_AIM),
        ),
        tables=(Table("What became of the requests",
                      ("load", "goodput, audio s/s", "came", "answered", "refused", "failed",
                       "refusal, ms (p50 / p99)", "answer, s (p50 / p99)"),
                      [(name, goodputs[name].shown(1), *_counts(phases))
                       for name, phases in loads.items()]),),
        plots=(Plot("Goodput", "bars", {"": [(name, each.median) for name, each in
                                             reversed(goodputs.items())]},
                    x="audio seconds answered per second"),),
        words=(_words(flooded),),
        raw={name: [phase.goodput for phase in phases] for name, phases in loads.items()},
    )  # fmt: skip


def _words(flooded: Flood) -> str:
    return (
        f"The simulated engine with {COST.fixed_s:g} s for a batch and "
        f"{COST.per_audio_s * 1000:g} ms for each padded second of it, at most "
        f"{BATCH.max_batch_audio_s:g} of them, so slow that it is what is full; whoever would "
        f"wait longer than {MAX_WAIT_S:g} s is refused. G.711 noise of log-normal lengths, "
        f"{flooded.best_callers} callers at the peak: of the numbers tried, that with the most "
        "goodput, whether some were refused or not. A ratio is taken against the mean of the two "
        "peaks beside it; the control is one peak over the one before. Failed is what was let in "
        "and then neither answered nor refused as it should be."
    )


def _counts(phases: Sequence[Phase]) -> tuple[str, ...]:
    outcomes = [outcome for phase in phases for outcome in phase.outcomes]
    answered_s = sorted(outcome.took_s for outcome in outcomes if outcome.is_answered)
    refused_s = refusal_times_s(phases)
    return (
        str(len(outcomes)),
        str(len(answered_s)),
        str(len(refused_s)),
        str(sum(len(phase.failures) for phase in phases)),
        _quantiles(refused_s, 1000, 1),
        _quantiles(answered_s, 1, 2),
    )


def _quantiles(ascending: list[float], factor: float, digits: int) -> str:
    if not ascending:
        return ""
    return " / ".join(f"{quantile(ascending, share) * factor:.{digits}f}" for share in (0.5, 0.99))
