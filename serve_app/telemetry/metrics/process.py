"""What each process tells of itself, whatever it does."""

import os
from pathlib import Path

import serve_app
from serve_app.telemetry.metrics.declaring import gauge

_STATM = Path("/proc/self/statm")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class ProcessMetrics:
    """Of one replica of `deployment`."""

    def __init__(self, deployment: str) -> None:
        self._memory = gauge(
            "chorus_process_resident_bytes", "Memory that a replica holds.", "deployment"
        )
        self._replicas = gauge(
            "chorus_replica_info", "1 for each replica that is there.", "deployment", "version"
        )
        self._memory.set_default_tags({"deployment": deployment})
        self._replicas.set_default_tags(
            {"deployment": deployment, "version": serve_app.__version__}
        )

    def beat(self) -> None:
        self._replicas.set(1)
        self._memory.set(resident_bytes())


def resident_bytes() -> int:
    """Of this process; shared pages included."""
    return int(_STATM.read_text().split()[1]) * _PAGE_BYTES
