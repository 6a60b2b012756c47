"""The whole wiring: from a `ServerConfig` to a Ray Serve application."""

import os

from ray import serve
from ray.serve import Application
from ray.serve.config import RequestRouterConfig

from serve_app.config import (
    DiarizationConfig,
    JobsConfig,
    ModelConfig,
    ServerConfig,
    SynthesizerConfig,
)
from serve_app.deployments.batching.pace import max_ongoing_requests
from serve_app.deployments.diarization.replica import Diarization
from serve_app.deployments.jobs import Jobs
from serve_app.deployments.ledger import LedgerReplica
from serve_app.deployments.preprocessor import Preprocessor
from serve_app.deployments.recognizer import Recognizer
from serve_app.deployments.streaming.replica import Streaming
from serve_app.deployments.synthesis.replica import Synthesizer
from serve_app.environment import with_environment
from serve_app.ingress.deployment import Ingress

_PLACES_PER_UPLOAD = 2
"""More than the ingress admits, so that it says "at capacity" itself, and at once. The proxy holds
as many again in front of it before it refuses by itself; it counts each request for a moment."""
PLACES_FOR_INGRESSES = 1000
"""In a replica of a streaming model. Its slots bound its streams, and it says "full" itself."""
_PLACES_PER_RECORDING = 4
"""In a replica that tells speakers apart: more than two calls, so that it says "full" itself."""
_PLACES_PER_SENTENCE = 4
"""Calls in a replica of a synthesizer, for each sentence that may wait there."""
_ROUTER = "serve_app.deployments.links.router.PinnedRouter"
_NOTICE_DEATH_WITHIN_S = 2.0
"""Its streams have moved by then; where it was the only one, they wait for the next."""
_TO_MOVE_S = 30.0
"""What a replica that is to go gives its streams beyond their longest segment."""
_TO_GIVE_BACK_S = 30.0
"""For a replica of `Jobs` to stop its work and give its leases back."""
_PLACES_AT_THE_LEDGER = 10_000
"""Each call takes microseconds: nobody is to be refused there."""


def build(args: ServerConfig) -> Application:
    """Ingress → Preprocessor → one deployment per model for recordings, those that tell speakers
    apart among them, and Ingress → one per model for live streams and one per synthesizer, each
    named as the model is; beside them the Ledger, where keys are asked for.

    Serve calls this with what stands under `args:` in a file of `configs/`. Environment variables
    (`environment.py`) override it; entries under `deployments:` override the options set here.
    """
    config = with_environment(args, os.environ)
    limits = config.limits
    longest_s = _longest_call_s(config)
    recognizers = {model.name: _recognizer(model, config) for model in config.offline_models}
    diarizers = {model.name: _diarization(model, config) for model in config.diarizers}
    preprocessor = serve.deployment(
        name="Preprocessor",
        max_ongoing_requests=config.preprocessor.max_waiting + config.preprocessor.num_decoders,
        max_queued_requests=_PLACES_PER_UPLOAD * limits.max_concurrent_requests,
        graceful_shutdown_timeout_s=longest_s,
    )(Preprocessor).bind(
        config.preprocessor,
        limits.max_audio_s,
        config.jobs.max_audio_s if config.jobs else 0.0,
        config.offline_models,
        recognizers | diarizers,
        config.diarizers,
    )
    streams = {model.name: _streaming(model, config) for model in config.streaming_models}
    synthesizers = {each.name: _synthesizer(each, config) for each in config.synthesizers}
    jobs = None if config.jobs is None else _jobs(config.jobs, preprocessor)
    ledger = _ledger() if config.auth.keys_file is not None else None
    return serve.deployment(
        name="Ingress",
        max_ongoing_requests=_PLACES_PER_UPLOAD * limits.max_concurrent_requests,
        max_queued_requests=_PLACES_PER_UPLOAD * limits.max_concurrent_requests,
        backpressure_config={"status_code": 429, "retry_after_s": limits.retry_after_s},
        graceful_shutdown_timeout_s=_to_leave_s(config),
    )(Ingress).bind(config, preprocessor, streams, synthesizers, ledger, jobs)


def _recognizer(model: ModelConfig, config: ServerConfig) -> Application:
    """Chunks wait unbounded in front of a model, as far as Serve knows: a recording that has begun
    must not be refused, and `preprocessor.max_audio_in_flight_s` bounds them."""
    return serve.deployment(
        name=model.name,
        max_ongoing_requests=max_ongoing_requests(model.batch),
        graceful_shutdown_timeout_s=config.limits.request_timeout_s,
    )(Recognizer).bind(model)


def _longest_call_s(config: ServerConfig) -> float:
    """Of a recording: one that is too many goes when it has ended, jobs' included."""
    of_jobs_s = config.jobs.file_timeout_s if config.jobs is not None else 0.0
    return max(config.limits.request_timeout_s, of_jobs_s)


def _to_leave_s(config: ServerConfig) -> float:
    """An ingress that is one too many goes when its last stream has ended: it cannot move them."""
    longest_s = config.limits.request_timeout_s
    return max(longest_s, config.streams.max_stream_s) if config.streaming_models else longest_s


def _ledger() -> Application:
    """One replica and no CPU: it counts, in memory. Only there where somebody asks it."""
    return serve.deployment(
        name="Ledger",
        num_replicas=1,
        max_ongoing_requests=_PLACES_AT_THE_LEDGER,
        ray_actor_options={"num_cpus": 0},
    )(LedgerReplica).bind()


def _jobs(config: JobsConfig, preprocessor: Application) -> Application:
    """It calls the graph and nobody calls it; the ingress has it only so that it is deployed."""
    return serve.deployment(
        name="Jobs",
        graceful_shutdown_timeout_s=_TO_GIVE_BACK_S,
        ray_actor_options={"num_cpus": 0},
    )(Jobs).bind(config, preprocessor)


def _diarization(model: ModelConfig, config: ServerConfig) -> Application:
    """A recording has two calls under way in its replica: what it is remembered by, and a piece."""
    settings = model.diarization or DiarizationConfig()
    return serve.deployment(
        name=model.name,
        max_ongoing_requests=_PLACES_PER_RECORDING * settings.max_recordings,
        graceful_shutdown_timeout_s=_longest_call_s(config),
        request_router_config=_pinned(),
    )(Diarization).bind(model)


def _pinned() -> RequestRouterConfig:
    return RequestRouterConfig(
        request_router_class=_ROUTER  # type: ignore[arg-type]  # of all keywords alike
    )


def _streaming(model: ModelConfig, config: ServerConfig) -> Application:
    """Each ingress has two calls under way in each replica: its attachment, and a push."""
    assert model.streaming is not None, "a model of live streams"
    return serve.deployment(
        name=model.name,
        max_ongoing_requests=PLACES_FOR_INGRESSES,
        graceful_shutdown_timeout_s=model.streaming.max_segment_s + _TO_MOVE_S,
        health_check_period_s=_NOTICE_DEATH_WITHIN_S,
        request_router_config=_pinned(),
    )(Streaming).bind(model, config.streams.max_ahead_s)


def _synthesizer(synthesizer: SynthesizerConfig, config: ServerConfig) -> Application:
    """A text that is spoken sentence by sentence holds a call all the time, and waits for its turn
    for a moment each time: the replica says "full" itself."""
    return serve.deployment(
        name=synthesizer.name,
        max_ongoing_requests=_PLACES_PER_SENTENCE * synthesizer.max_waiting,
        graceful_shutdown_timeout_s=config.limits.request_timeout_s,
    )(Synthesizer).bind(synthesizer)
