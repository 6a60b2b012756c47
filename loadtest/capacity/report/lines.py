"""Results in; what they say, in sentences, out: for the terminal, the page and JSON alike."""

from collections.abc import Iterator

from loadtest.capacity.report.advice import Advice, Expected
from loadtest.capacity.results import PREPROCESSING, Broken, Found, Results
from loadtest.capacity.search.trials import Trial, broken_streams, broken_uploads

_S_PER_HOUR = 3600.0


def told(results: Results, expected: Expected, advice: Advice) -> Iterator[str]:
    """The whole, for a terminal."""
    for title, sentences in (
        ("One replica", carried(results)),
        ("When it is full", when_full(results)),
        ("Processors", processors(results)),
        ("What these numbers stand for", stands_for(results)),
        ("What it costs, and how many", planned(results, expected, advice)),
    ):
        lines = list(sentences)
        if lines:
            yield f"\n{title}"
            yield from (f"  {line}" for line in lines)
    yield "\nTo lay over the configuration:\n"
    yield advice.yaml


def carried(results: Results) -> Iterator[str]:
    """What one replica carries at the objective."""
    goal = results.objective
    if found := results.uploads:
        if trial := found.confirmed:
            yield (
                f"{number(results.uploads_per_s)} uploads a second of {results.mean_clip_s:.1f} s "
                f"on average, {number(results.audio_s_per_s)} audio hours an hour, 95 of 100 "
                f"answered within {trial.latency_s(0.95):.3g} s (objective: "
                f"{goal.upload_p95_s:g} s). "
                f"{_ends(found, broken_uploads, results)}"
            )
        else:
            yield f"Uploads: nothing held. {_ends(found, broken_uploads, results)}"
    if found := results.streams:
        if trial := found.confirmed:
            yield (
                f"{results.num_streams} live streams, their final texts within "
                f"{_ms(trial.latency_s(0.95))} of their end (objective: {_ms(goal.final_p95_s)}), "
                f"on the way {_ms(trial.lag_s(0.5))} behind the speaker (median; p95 "
                f"{_ms(trial.lag_s(0.95))}). {_ends(found, broken_streams, results)}"
            )
        else:
            yield f"Live streams: nothing held. {_ends(found, broken_streams, results)}"


def when_full(results: Results) -> Iterator[str]:
    """With more than it carries."""
    found = results.uploads
    if found and found.overload and found.confirmed:
        trial, calm = found.overload, found.confirmed
        refused = [each for each in trial.failed if each.is_refused]
        yield (
            f"{trial.load / calm.load:.2g} × the uploads, for {trial.cpu_wall_s:.0f} s of the "
            f"clock: of {len(trial.outcomes)} that came {len(trial.answered)} were answered (p95 "
            f"{trial.latency_s(0.95):.3g} s), {len(refused)} refused (429, with Retry-After), "
            f"{len(trial.failed) - len(refused)} neither; the audio answered a second is "
            f"{trial.goodput / calm.goodput:.0%} of that at the knee."
        )
    found = results.streams
    if found and found.overload:
        trial = found.overload
        refused = [each for each in trial.failed if each.is_refused]
        yield (
            f"{trial.load:.0f} streams where there are {results.served.num_slots} slots: "
            f"{len(refused)} refused at the handshake (429), {len(trial.failed) - len(refused)} "
            f"broken; the final texts of the others within {_ms(trial.latency_s(0.95))} (p95)."
        )
    elif found and found.knee.broken:
        trial = found.knee.broken.result
        yield f"{trial.load:.0f} streams: {'; '.join(broken_streams(trial, results.objective))}."


def processors(results: Results) -> Iterator[str]:
    """What of the machine's cores it takes, if that could be measured."""
    for name, costs, unit, cores in (
        ("An upload", results.upload_cpu_s(), "", results.cores_for_uploads),
        ("A second of a live stream", results.stream_cpu_s(), "", results.cores_for_streams),
    ):
        if costs:
            most = ", ".join(f"{group} {cost * 1e3:.2g}" for group, cost in list(costs.items())[:5])
            yield (
                f"{name} takes {sum(costs.values()) * 1e3:.3g} CPU-ms of the server ({most}): "
                f"at the objective {cores:.3g} cores{unit}, the callers' not among them."
            )
    if results.idle_cores:
        yield f"A server that nobody asks takes {sum(results.idle_cores.values()):.2g} cores."


def stands_for(results: Results) -> Iterator[str]:
    """How far the numbers may be believed."""
    served = results.served
    kinds = {model.kind for model in (served.uploads, served.streams) if model}
    if "simulated" in kinds or results.is_simulated:
        yield (
            "The engines are SIMULATED: they sleep by a cost curve and understand no speech. "
            "All numbers of speed follow from that curve; no GPU was measured."
        )
        for model in (served.uploads, served.streams):
            if model is None or model.kind != "simulated":
                continue
            factor = served.live_dilation if model.streaming else served.dilation
            cost = model.simulated
            yield (
                f"{model.name}: {cost.fixed_s / factor * 1e3:.3g} ms a batch or step, "
                f"{cost.per_audio_s / factor * 1e6:.3g} µs an audio second, "
                f"{cost.per_stream_s / factor * 1e6:.3g} µs a stream; each alone on its GPU. "
                "Memory is not simulated."
            )
    if served.dilation != 1.0 or served.live_dilation != 1.0:
        yield from _dilated(results)
    yield from _limited_by(results)


def _limited_by(results: Results) -> Iterator[str]:
    found = results.uploads
    if found is None or found.confirmed is None or not found.confirmed.engine.num_batches:
        return
    trial = found.confirmed
    yield (
        f"At the knee of uploads the engine worked {trial.busy:.0%} of the time, in batches of "
        f"{trial.uploads_a_batch:.0f} uploads ({trial.fill:.0%} audio, the rest padding); at most "
        f"it worked {results.busiest:.0%}, in batches {results.fullest:.0%} full: "
        + (
            "it is what limits the server."
            if results.is_engine_bound
            else "what limits the server was not reached."
            if found.knee.broken is None
            else f"NOT the engine limits this, but the CPU around it{_busiest_cpu(results)}."
        )
    )


def _busiest_cpu(results: Results) -> str:
    """Who takes most of it, at the knee of uploads, where that could be measured."""
    if not (cores := results.busy_cores()):
        return ", the callers' too"
    most = ", ".join(f"{group} {taken:.2g}" for group, taken in list(cores.items())[:3])
    said = f": of the machine's cores {most} are busy, the callers' not among them"
    if next(iter(cores)) == PREPROCESSING:
        num = results.served.num_preprocessors
        said += f"; preprocessing, by {num} of `Preprocessor`, needs more cores and replicas"
    return said


def _dilated(results: Results) -> Iterator[str]:
    served = results.served
    yield (
        f"Dilated {served.dilation:g} × for uploads and {served.live_dilation:g} × for live "
        "streams: engines, arrivals and speech were so much slower, and all rates and times are "
        "given as they would be at full speed. What the server itself takes weighs so much less in "
        "these latencies."
        + (
            f" A server of {served.max_wait_s:.3g} s `max_wait_s` of the clock stands for one of "
            f"{served.max_wait_s / served.dilation:.2g} s."
            if served.max_wait_s
            else ""
        )
    )
    if (found := results.uploads) and found.confirmed:
        trial = found.confirmed
        yield (
            f"Measured: {trial.load:.3g} uploads a second of the clock, p95 "
            f"{trial.latency_s(0.95) * trial.dilation:.3g} s; it stands for "
            f"{number(trial.per_s)} a second and {trial.latency_s(0.95):.3g} s."
        )
    if (found := results.streams) and found.confirmed:
        trial = found.confirmed
        yield (
            f"Measured: {trial.load:.0f} streams that speak {trial.dilation:g} × as slowly, final "
            f"texts after {_ms(trial.latency_s(0.95) * trial.dilation)} (p95)."
        )


def planned(results: Results, expected: Expected, advice: Advice) -> Iterator[str]:
    """For what is expected."""
    if advice.cost_per_audio_hour is not None:
        yield (
            f"At {expected.currency}{expected.price_per_hour:g} an hour and {expected.use:.0%} of "
            f"the capacity an audio hour costs {expected.currency}{advice.cost_per_audio_hour:.2g}."
        )
    if advice.cost_per_stream_hour is not None:
        cost = f"{expected.currency}{advice.cost_per_stream_hour:.2g}"
        yield f"An hour of a live stream costs {cost}, a fifth of the slots free."
    if advice.replicas is not None:
        hours = number(expected.audio_hours_per_hour or 0.0)
        yield (
            f"{hours} audio hours an hour need {advice.replicas} "
            f"replica{'s' if advice.replicas > 1 else ''} at {expected.use:.0%}, and for uploads "
            f"about {_cores_of(results, expected):.2g} cores."
        )
    if advice.live_replicas is not None and expected.streams is not None:
        per_stream = sum(results.stream_cpu_s().values())
        yield (
            f"{expected.streams} live streams need {advice.live_replicas} "
            f"replica{'s' if advice.live_replicas > 1 else ''} with a fifth of their slots free"
            + (f", and about {per_stream * expected.streams:.2g} cores." if per_stream else ".")
        )


def _cores_of(results: Results, expected: Expected) -> float:
    per_s = (expected.audio_hours_per_hour or 0.0) / results.mean_clip_s
    return sum(results.upload_cpu_s().values()) * per_s


def _ends(found: Found, broken: Broken, results: Results) -> str:
    text = found.ends[0].upper() + found.ends[1:]
    if found.knee.broken is None:
        return f"{text}."
    trial = found.knee.broken.result
    why = "; ".join(broken(trial, results.objective))
    return f"{text}; at {shown(trial)}: {why}."


def shown(trial: Trial) -> str:
    """A load at full speed: streams stay as many."""
    if trial.kind == "streams":
        return f"{trial.load:.0f} streams"
    return f"{number(trial.load * trial.dilation)}/s"


def number(value: float) -> str:
    """Three figures, or all of those before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ms(time_s: float) -> str:
    return f"{time_s * 1e3:.0f} ms"
