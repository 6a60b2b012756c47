"""Jobs, as one of their workers sees them; what lies in the database, each of them tells alike."""

from collections.abc import Mapping

from serve_app.telemetry.metrics.declaring import counter, gauge


class JobMetrics:
    """What one replica of `Jobs` did, and what the database holds."""

    def __init__(self) -> None:
        self.files = gauge("chorus_job_files", "Files of jobs in the database.", "status")
        self.oldest_waiting_s = gauge(
            "chorus_job_oldest_waiting_seconds",
            "Age of the oldest job of which a file waits; 0 if none does.",
        )
        self.stored_bytes = gauge("chorus_job_stored_bytes", "Audio of jobs in the store.")
        self.under_way = gauge("chorus_job_files_under_way", "Files that this worker has.")
        self.places = gauge("chorus_job_places", "Files that it may have at once.")
        self.ended = counter(
            "chorus_job_attempts",
            "Attempts at files that have ended: `completed`, `failed` or to be tried again.",
            "outcome",
        )
        self.is_reachable = gauge(
            "chorus_job_database_up", "Whether the database of jobs answers this worker."
        )
        self._by_status: Mapping[str, int] = {}
        self._oldest_waiting_s = 0.0
        self._stored_bytes = 0
        self._is_reachable = False

    def found(
        self, by_status: Mapping[str, int], stored_bytes: int, oldest_waiting_s: float
    ) -> None:
        """What the database has said just now."""
        self._by_status, self._stored_bytes = by_status, stored_bytes
        self._oldest_waiting_s = oldest_waiting_s
        self._is_reachable = True

    def lost(self) -> None:
        """The database has not answered; what it said last is not told any more."""
        self._by_status = {}
        self._is_reachable = False

    def beat(self, num_under_way: int, num_places: int) -> None:
        """Tell what is so now."""
        self.under_way.set(num_under_way)
        self.places.set(num_places)
        self.is_reachable.set(int(self._is_reachable))
        if not self._by_status:
            return
        for status, num_files in self._by_status.items():
            self.files.set(num_files, tags={"status": status})
        self.stored_bytes.set(self._stored_bytes)
        self.oldest_waiting_s.set(self._oldest_waiting_s)
