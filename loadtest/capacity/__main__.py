"""How much one replica carries, where it breaks, what happens then, and what to write down for it.

Uploads come at random (a Poisson process that waits for no answer), live streams speak at
real-time pace; both climb until the objective breaks, and the knee is found by bisection and
confirmed once more. Then three times as much is sent. Locust makes the calls; every answer is
compared with what was said.

A server of its own has one replica of each measured model, whatever the file says, and as many
preprocessors as the file and the cores allow. On a machine without the GPU that the file wants,
--simulate puts an engine in its place that sleeps as long as a GPU would work; --dilate slows
everything down until this machine can feed it, and the report says both what was measured and what
it stands for.
"""

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from loadtest.bench.load import BenchError
from loadtest.bench.server import Server, require_ready
from loadtest.capacity.options import SPOKEN_S, STREAM_S, parser_of
from loadtest.capacity.report import told, write
from loadtest.capacity.report.advice import Expected, advise
from loadtest.capacity.results import Results
from loadtest.capacity.search.callers import Callers
from loadtest.capacity.search.engine import report_often
from loadtest.capacity.search.measuring import Effort, idle_cores, streams_knee, uploads_knee
from loadtest.capacity.search.trials import Objective
from loadtest.capacity.serving import (
    Curve,
    Served,
    clips_of_a_batch,
    curve_of,
    dilation_for,
    live_dilation_for,
    max_wait_s,
    models_of,
    num_cores_here,
    served,
    serving,
)
from loadtest.users.speech import Speech, Wanted, speech_for
from serve_app.config import ModelConfig
from serve_app.errors import ConfigError

_UPLOADS_PART = 0.5
"""Of the time, where both are measured."""
_START_SHARE = 0.5
"""Of what a simulated engine's curve allows: where the climb begins."""
_GROWTH_OF_KNOWN = 1.5
_START_PER_S, _GROWTH_OF_UNKNOWN = 3.0, 3.0
"""Of any other engine, which may carry ten a second or a thousand."""
_LEAST_TRIAL_S, _BATCHES_OF_A_TRIAL = 12.0, 12.0
"""A wait that grows must have the time to show it."""
_LEAST_RECORDING_S = 3.0
"""Of the recordings that a live stream is made of, however slowly it speaks."""


def main(argv: list[str] | None = None) -> int:
    args = parser_of(__doc__ or "").parse_args(argv)
    report_often()
    # Whatever ends this, ends its server and its Locust, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        results = _measure(args)
    except (BenchError, ConfigError) as error:
        print(f"capacity: {error}", file=sys.stderr)
        return 1
    expected = Expected(
        audio_hours_per_hour=args.expect_audio_hours_per_hour,
        streams=args.expect_streams,
        price_per_hour=args.price_per_hour,
        currency=args.currency,
        use=args.use,
        peak=args.peak,
    )
    advice = advise(results, expected)
    print("\n".join(told(results, expected, advice)))
    if args.report:
        write(results, expected, advice, args.report)
        print(f"written: {args.report} and {args.report.with_suffix('.json')}")
    return 0


def _measure(args: argparse.Namespace) -> Results:
    began_at = time.monotonic()
    objective = Objective(
        args.upload_p95_s, args.final_p95_ms / 1e3, args.live_lag_p95_ms / 1e3, args.max_error_rate
    )
    found, speech = _prepared(args)
    with _server(args, found) as server:
        effort = _effort(args, found, speech, time.monotonic() + args.budget_s)
        callers = _callers(args, found, speech, server)
        idle = idle_cores(server)
        uploads = streams = None
        if found.uploads:
            left_s = effort.until - time.monotonic()
            part = _UPLOADS_PART if found.streams else 1.0
            until = time.monotonic() + part * left_s
            uploads = uploads_knee(callers, objective, replace(effort, until=until), _say)
        if found.streams:
            streams = streams_knee(callers, objective, effort, _say)
    return Results(
        config=str(args.config),
        served=found,
        objective=objective,
        mean_clip_s=speech.mean_clip_s,
        uploads=uploads,
        streams=streams,
        idle_cores=idle,
        took_s=time.monotonic() - began_at,
        url=args.url or "",
        num_replicas=args.replicas if args.url else 1,
        remark=args.remark,
    )


def _callers(args: argparse.Namespace, found: Served, speech: Speech, server: Server) -> Callers:
    uploads, streams = found.uploads, found.streams
    return Callers(
        server,
        speech,
        model=uploads.name if uploads else "",
        live_model=streams.name if streams else "",
        cost=uploads.simulated if uploads and uploads.kind == "simulated" else None,
        burst=clips_of_a_batch(uploads, speech.mean_clip_s) if uploads else 0,
        num_workers=args.workers,
        dilation=found.dilation,
        live_dilation=found.live_dilation,
    )


def _prepared(args: argparse.Namespace) -> tuple[Served, Speech]:
    """The models that are measured, slowed down as these cores need, and what is said to them."""
    uploads, streams = _measured(args)
    curve = None
    if args.simulate:
        curve = Curve(args.fixed_ms / 1e3, args.per_audio_us / 1e6, args.per_stream_us / 1e6)
    dilation, live_dilation = args.dilate or 1.0, args.dilate_streams or args.dilate or 1.0
    if curve and streams and not args.dilate_streams:
        slots = args.most_streams or (streams.streaming.num_slots if streams.streaming else 1)
        live_dilation = live_dilation_for(slots, num_cores_here())
    speech = _speech(args, uploads or streams, live_dilation)
    if curve and uploads and not args.dilate:
        per_s = curve.uploads_per_s(uploads, speech.mean_clip_s)
        dilation = dilation_for(per_s, num_cores_here())
    found = served(
        args.config,
        uploads,
        streams,
        curve=curve,
        dilation=dilation,
        live_dilation=live_dilation,
        num_slots=args.most_streams,
    )
    batch_s = _full_batch_s(found, speech)
    wait_s = args.max_wait_s or max_wait_s(args.upload_p95_s, batch_s, found.dilation)
    return replace(found, max_wait_s=None if args.url else wait_s), speech


def _measured(args: argparse.Namespace) -> tuple[ModelConfig | None, ModelConfig | None]:
    """For recordings, and for live streams; at least one of them."""
    uploads, streams = models_of(args.config, args.model, args.live_model)
    uploads = None if args.only == "streams" else uploads
    streams = None if args.only == "uploads" else streams
    if args.url and (args.simulate or args.most_streams or args.dilate or args.dilate_streams):
        raise BenchError("a server at --url is measured as it is: what changes it is not for it")
    if not (uploads or streams):
        raise BenchError(f"{args.config} has no model for {args.only or 'what is measured'}")
    return uploads, streams


def _speech(args: argparse.Namespace, cuts: ModelConfig | None, live_dilation: float) -> Speech:
    """Cut as this model would."""
    assert cuts is not None
    _say("speech to say: made once, then kept")
    return speech_for(
        Wanted(
            clip_s=args.clip_s,
            stream_s=max(_LEAST_RECORDING_S, _stream_s(args, live_dilation) / live_dilation),
            max_chunk_s=cuts.max_chunk_s,
            max_pause_s=cuts.max_pause_s,
        )
    )


def _stream_s(args: argparse.Namespace, live_dilation: float) -> float:
    """Of the clock."""
    return float(args.stream_s or max(STREAM_S, SPOKEN_S * live_dilation))


def _full_batch_s(found: Served, speech: Speech) -> float:
    """Of the clock; 0 of an engine whose curve is not known."""
    model = found.uploads
    if model is None or model.kind != "simulated":
        return 0.0
    return curve_of(model).full_batch_s(model, speech.mean_clip_s)


def _effort(args: argparse.Namespace, found: Served, speech: Speech, until: float) -> Effort:
    """A simulated engine's curve tells where to begin."""
    growth, model = _GROWTH_OF_UNKNOWN, found.uploads
    if args.start_per_s is not None:
        start_per_s = args.start_per_s / found.dilation
    elif model and model.kind == "simulated" and not args.url and found.dilation > 1.0:
        bound = curve_of(model).uploads_per_s(model, speech.mean_clip_s)
        start_per_s, growth = _START_SHARE * bound, _GROWTH_OF_KNOWN
    else:
        start_per_s = _START_PER_S
    batch_s = _full_batch_s(found, speech)
    most = found.num_slots * (args.replicas if args.url else 1)
    return Effort(
        trial_s=args.trial_s or max(_LEAST_TRIAL_S, _BATCHES_OF_A_TRIAL * batch_s),
        stream_s=_stream_s(args, found.live_dilation),
        start_per_s=start_per_s,
        growth=growth,
        start_streams=max(1, most // (2 if found.streams_are_simulated else 8)),
        most_streams=most,
        precision=args.precision,
        overload=args.overload,
        until=until,
    )


@contextmanager
def _server(args: argparse.Namespace, found: Served) -> Iterator[Server]:
    if args.url:
        url = args.url.rstrip("/")
        require_ready(url)
        yield Server(url, pid=None)
        return
    _say(f"starting a server of {args.config}")
    with serving(args.config, found) as server:
        yield server


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
