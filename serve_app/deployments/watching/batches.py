"""A run of a model in, its spans out: one of the batch, and for each chunk its wait and its run."""

from collections.abc import Sequence

from serve_app.telemetry import tracing
from serve_app.telemetry.tracing import Trace


def trace_batch(
    model: str,
    arrivals: Sequence[tuple[Trace | None, float]],
    *,
    began_at: float,
    model_s: float,
    audio_s: float,
    padded_s: float,
    now: float,
) -> None:
    """Each chunk by its trace and its arrival; all times are of one clock, which shows `now`.

    The batch belongs to many traces and so to none: it has its own, linked to theirs, and they to
    it.
    """
    traced = [(trace, at) for trace, at in arrivals if trace is not None and trace.is_sampled]
    if not traced:
        return
    began_ns = tracing.time_ns_of(began_at, now=now)
    ended_ns = began_ns + int(model_s * 1e9)
    batch = tracing.record_shared(
        "batch",
        [trace for trace, _ in traced],
        began_ns,
        ended_ns,
        {
            "chorus.model": model,
            "chorus.chunks": len(arrivals),
            "chorus.audio_s": audio_s,
            "chorus.padded_s": padded_s,
        },
    )
    links = [] if batch is None else [batch]
    of_model: tracing.Attributes = {"chorus.model": model, "chorus.chunks": len(arrivals)}
    for trace, arrived_at in traced:
        tracing.record("queue", trace, tracing.time_ns_of(arrived_at, now=now), began_ns)
        tracing.record("model", trace, began_ns, ended_ns, of_model, links=links)
