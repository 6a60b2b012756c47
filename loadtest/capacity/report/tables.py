"""Results in; the conditions of a run, and its trials in rows, out."""

from collections.abc import Iterator

from loadtest.bench.machine import describe_machine, describe_versions
from loadtest.capacity.report import lines
from loadtest.capacity.results import Broken, Found, Results, tries_of
from loadtest.capacity.search.trials import broken_streams, broken_uploads

_SHARES = (0.5, 0.9, 0.95, 0.99)
_HEADS = ("load", "came", "answered", *(f"p{share * 100:g} s" for share in _SHARES),
          "busy", "words wrong", "so")  # fmt: skip


def conditions(results: Results) -> Iterator[str]:
    goal, served = results.objective, results.served
    yield f"Callers' machine: {describe_machine()}"
    yield describe_versions()
    models = [model.name for model in (served.uploads, served.streams) if model]
    where = f"server: {results.url}" if results.url else "a server of its own on the same machine"
    limit = f"; max_wait_s {served.max_wait_s:g} s of the clock" if served.max_wait_s else ""
    beside = "" if results.url else f", {served.num_preprocessors} of Preprocessor"
    yield (
        f"Models: {', '.join(models)}; {where}; {results.num_replicas} replica of each{beside}"
        f"{limit}"
    )
    yield (
        f"Objective: no errors, {goal.max_refused:.0%} of uploads refused at most; 95 of 100 "
        f"uploads within {goal.upload_p95_s:g} s and no wait that grows beyond it within a minute; "
        f"95 of 100 final texts of streams within {goal.final_p95_s * 1e3:.0f} ms, texts "
        f"{goal.live_lag_p95_s * 1e3:.0f} ms behind the speaker; at most "
        f"{goal.max_error_rate:.0%} of words wrong"
    )
    yield (
        f"Uploads of {results.mean_clip_s:.1f} s on average in WAV, FLAC, MP3, Vorbis, Opus, AAC "
        "and G.711, as a Poisson process; streams over /asr in packets of 100 ms; the run took "
        f"{results.took_s / 60:.1f} minutes"
    )
    if results.remark:
        yield results.remark


def kinds(results: Results) -> Iterator[tuple[str, Found, Broken]]:
    """What was measured: its title, what was found, and how it is judged."""
    if results.uploads:
        yield "All trials of uploads", results.uploads, broken_uploads
    if results.streams:
        yield "All trials of live streams", results.streams, broken_streams


def table(found: Found, broken: Broken, results: Results) -> Iterator[tuple[str, ...]]:
    """The heads, then a row for each trial; the last cell says why it broke, or that it held."""
    yield _HEADS
    for trial in tries_of(found):
        so = "; ".join(broken(trial, results.objective)) or "held"
        if trial is found.confirmed:
            so += ", the knee"
        yield (
            lines.shown(trial),
            str(len(trial.outcomes)),
            str(len(trial.answered)),
            *(f"{trial.latency_s(share):.3f}" for share in _SHARES),
            f"{trial.busy:.0%}" if trial.busy else "–",
            f"{trial.error_rate:.1%}",
            so,
        )
