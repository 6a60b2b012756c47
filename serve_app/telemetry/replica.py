"""What every replica does to be watched: its logs, its spans, its gauges told again and again."""

import asyncio
import logging
from collections.abc import Callable

from ray import serve
from ray.serve.exceptions import RayServeException

from serve_app.telemetry import tracing
from serve_app.telemetry.logs import join_serve_logs, name_traces
from serve_app.telemetry.metrics.process import ProcessMetrics

EVERY_S = 1.0
"""Ray leaves a gauge out that nobody has set for two of its reports, of which it makes one a second
at most."""

logger = logging.getLogger(__name__)


def begin(deployment: str) -> None:
    """First of all in a replica of `deployment`: our log lines beside Serve's, and spans where they
    are wanted."""
    join_serve_logs()
    tracing.begin(deployment, name_of_replica())
    name_traces()


def name_of_replica() -> str:
    """As `PinnedRouter` knows it; outside of Serve there is none."""
    try:
        return str(serve.get_replica_context().replica_id.unique_id)
    except RayServeException:
        return ""


class Pulse:
    """Has the gauges of one replica told every second, until it is closed or its loop ends."""

    def __init__(self, deployment: str, *beats: Callable[[], object]) -> None:
        """`beats` set gauges; they neither wait nor take long."""
        self._beats = (ProcessMetrics(deployment).beat, *beats)
        self._failing: set[Callable[[], object]] = set()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Tell no more; the last spans are sent."""
        self._task.cancel()
        await asyncio.to_thread(tracing.end)

    async def _run(self) -> None:
        while True:
            for beat in self._beats:
                self._tell(beat)
            await asyncio.sleep(EVERY_S)

    def _tell(self, beat: Callable[[], object]) -> None:
        try:
            beat()
            self._failing.discard(beat)
        except Exception:  # a gauge that fails must not silence the others, nor fill the log
            if beat not in self._failing:
                logger.exception("gauges cannot be told, until they can again")
            self._failing.add(beat)
