"""The whole wiring: from a `ServerConfig` to a Ray Serve application."""

import os

from ray import serve
from ray.serve import Application

from serve_app.config import ServerConfig
from serve_app.deployments.ledger import LedgerReplica
from serve_app.deployments.preprocessor import Preprocessor
from serve_app.deployments.recognizer import Recognizer
from serve_app.environment import with_environment
from serve_app.ingress.deployment import Ingress

_BATCHES_HELD = 2
"""What a model replica may hold: the batch in the model and the next one. The rest waits where it
can still go to another replica."""
_PLACES_PER_UPLOAD = 2
"""More than the ingress admits, so that it says "at capacity" itself, and at once. The proxy holds
as many again in front of it before it refuses by itself; it counts each request for a moment."""


_PLACES_AT_THE_LEDGER = 10_000
"""Each call takes microseconds: nobody is to be refused there."""


def build(args: ServerConfig) -> Application:
    """Ingress → Preprocessor → one deployment per model, each named as the model is; beside them
    the Ledger, where API keys are asked for.

    Serve calls this with what stands under `args:` in a file of `configs/`. Environment variables
    (`environment.py`) override it; entries under `deployments:` override the options set here.
    """
    config = with_environment(args, os.environ)
    limits = config.limits
    # Chunks wait unbounded in front of a model, as far as Serve knows: a recording that has begun
    # must not be refused, and `preprocessor.max_audio_in_flight_s` bounds them.
    recognizers = {
        model.name: serve.deployment(
            name=model.name,
            max_ongoing_requests=_BATCHES_HELD * model.batch.max_batch_size,
            graceful_shutdown_timeout_s=limits.request_timeout_s,
        )(Recognizer).bind(model)
        for model in config.models
    }
    preprocessor = serve.deployment(
        name="Preprocessor",
        max_ongoing_requests=config.preprocessor.max_waiting + config.preprocessor.num_decoders,
        max_queued_requests=_PLACES_PER_UPLOAD * limits.max_concurrent_requests,
        graceful_shutdown_timeout_s=limits.request_timeout_s,
    )(Preprocessor).bind(config.preprocessor, limits.max_audio_s, config.models, recognizers)
    # One replica and no CPU: it counts, in memory. Only there where somebody asks it.
    ledger = serve.deployment(
        name="Ledger",
        num_replicas=1,
        max_ongoing_requests=_PLACES_AT_THE_LEDGER,
        ray_actor_options={"num_cpus": 0},
    )(LedgerReplica).bind()
    return serve.deployment(
        name="Ingress",
        max_ongoing_requests=_PLACES_PER_UPLOAD * limits.max_concurrent_requests,
        max_queued_requests=_PLACES_PER_UPLOAD * limits.max_concurrent_requests,
        backpressure_config={"status_code": 429, "retry_after_s": limits.retry_after_s},
        graceful_shutdown_timeout_s=limits.request_timeout_s,
    )(Ingress).bind(config, preprocessor, ledger if config.auth.keys_file is not None else None)
