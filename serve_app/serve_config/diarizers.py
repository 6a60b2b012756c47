"""The deployment of a model that tells speakers apart in; options that would lose some out."""

from collections.abc import Iterator, Mapping
from typing import Any

from serve_app.config import DiarizationConfig
from serve_app.errors import ConfigError

_CALLS_OF_A_RECORDING = 2
"""Under way in its replica: what it is remembered by, and a piece of it."""


def check_diarizer_deployment(
    deployment: Mapping[str, Any], diarization: DiarizationConfig, place: str
) -> Iterator[ConfigError]:
    if deployment.get("user_config") is not None:
        reason = "a model that tells speakers apart has no live settings"
        yield ConfigError(f"{place}.user_config", reason)
    if deployment.get("request_router_config") is not None:
        reason = "recordings need the router that they have; leave it out"
        yield ConfigError(f"{place}.request_router_config", reason)
    least = _CALLS_OF_A_RECORDING * diarization.max_recordings
    places = deployment.get("max_ongoing_requests")
    if isinstance(places, int) and places < least:
        reason = f"must be at least {least}: two calls for each of max_recordings"
        yield ConfigError(f"{place}.max_ongoing_requests", f"{reason}; or leave it out")
