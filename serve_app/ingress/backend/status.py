"""How the backend is, asked with patience that has an end."""

import asyncio
from collections.abc import Mapping

from serve_app.errors import DeadlineExceededError
from serve_app.ingress.backend import Backend
from serve_app.models.protocols import ModelInfo

_PATIENCE_S = 5.0
"""A probe that hangs is worse than one that says no: orchestrators give up after a few seconds."""


async def models_by_name(backend: Backend) -> Mapping[str, ModelInfo]:
    """The models that can answer now; none where the backend does not say in time."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return {info.name: info for info in await backend.models()}
    except TimeoutError:
        return {}


async def is_ready(backend: Backend) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await backend.ready()
    except TimeoutError:
        return False


async def metrics_text(backend: Backend) -> str:
    """
    Raises:
        DeadlineExceededError: the node's exporter does not answer.
    """
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await backend.metrics()
    except TimeoutError as error:
        raise DeadlineExceededError(_PATIENCE_S) from error
