"""Serve's status in, the deployments that were scaled to zero out."""

import asyncio

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException


async def asleep(*, within_s: float) -> frozenset[str]:
    """Those of this replica's application that are well and have no replica; none, where Serve
    does not say so in time."""
    name = serve.get_replica_context().app_name
    try:
        async with asyncio.timeout(within_s):
            status = await asyncio.to_thread(serve.status)
    except (TimeoutError, RayError, RayServeException):
        return frozenset()
    if name not in status.applications:
        return frozenset()
    return frozenset(
        deployment
        for deployment, state in status.applications[name].deployments.items()
        if state.status == "HEALTHY"
        and not any(n for each, n in state.replica_states.items() if each != "STOPPING")
    )
