"""The deployment of a streaming model, in; options that would lose or refuse its streams, out."""

from collections.abc import Iterator, Mapping
from typing import Any

from serve_app.config import StreamingConfig
from serve_app.errors import ConfigError
from serve_app.serve_config.models import check_policy

_CALLS_OF_AN_INGRESS = 2
"""Under way in each replica: what it listens by, and what it pushes."""


def check_stream_deployment(
    deployment: Mapping[str, Any], streaming: StreamingConfig, place: str, *, num_ingresses: int
) -> Iterator[ConfigError]:
    """`num_ingresses` is the most that there may be."""
    if deployment.get("user_config") is not None:
        yield ConfigError(f"{place}.user_config", "a streaming model has no live settings")
    if deployment.get("request_router_config") is not None:
        reason = "streams need the router that they have; leave it out"
        yield ConfigError(f"{place}.request_router_config", reason)
    least = _CALLS_OF_AN_INGRESS * num_ingresses
    places = deployment.get("max_ongoing_requests")
    if isinstance(places, int) and places < least:
        reason = f"must be at least {least}: {_CALLS_OF_AN_INGRESS} calls of each ingress"
        yield ConfigError(f"{place}.max_ongoing_requests", f"{reason}; or leave it out")
    grace_s = deployment.get("graceful_shutdown_timeout_s")
    if isinstance(grace_s, int | float) and grace_s <= streaming.max_segment_s:
        reason = (
            f"must be above max_segment_s, {streaming.max_segment_s:g}: until then streams move"
        )
        yield ConfigError(f"{place}.graceful_shutdown_timeout_s", f"{reason}; or leave it out")
    yield from check_policy(deployment, place, is_streaming=True)


def most_replicas(deployment: Mapping[str, Any] | None) -> int:
    """That there may be of a deployment; 1 where its entry says nothing of it."""
    deployment = deployment or {}
    scaling = deployment.get("autoscaling_config")
    most = scaling.get("max_replicas") if isinstance(scaling, Mapping) else None
    found = most or deployment.get("num_replicas")
    return found if isinstance(found, int) else 1
