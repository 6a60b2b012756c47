"""Jobs over HTTP: recordings handed in, asked for until they are done, and their results."""

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import httpx

from serve_app.client.answers import json_object
from serve_app.client.errors import (
    AnswerTimeoutError,
    ConnectionLostError,
    ServerError,
    UnreachableError,
    WaitTimeoutError,
)

JobFormat: TypeAlias = Literal["json", "text", "srt", "vtt", "verbose_json", "diarized_json"]
ENDED = frozenset({"completed", "failed", "cancelled"})
_LOST = (UnreachableError, ConnectionLostError, AnswerTimeoutError, ServerError)
_GONE = frozenset({502, 503, 504})
"""What a server answers, or a proxy for it, that will be there again."""
_MIN_PAUSE_S, _MAX_PAUSE_S = 0.5, 10.0
_MAX_GONE_S = 600.0
"""A server that has answered before may be started anew."""


@dataclass(frozen=True, slots=True)
class FileStatus:
    """One recording of a job."""

    filename: str
    status: str
    progress: float
    """0 to 1."""
    error: str | None


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job, as the server tells it."""

    id: str
    status: str
    """pending, processing, completed, failed or cancelled; the last three are ends."""
    progress: float
    """0 to 1, by seconds of audio."""
    processed_s: float
    duration_s: float
    """Of all its recordings; an estimate before they are decoded."""
    created_at: str
    error: str | None
    files: tuple[FileStatus, ...]
    told: Mapping[str, Any]
    """All that the server said."""

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, the newest first."""

    jobs: tuple[JobStatus, ...]
    next_cursor: str | None


class Exchange(Protocol):
    """How `Client` sends a request: with patience, and with its errors."""

    def __call__(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = ...,
        data: Mapping[str, Any] | None = ...,
        files: Callable[[ExitStack], Sequence[tuple[str, Any]]] | None = ...,
        headers: Mapping[str, str] | None = ...,
    ) -> httpx.Response: ...


class Jobs:
    """The jobs of one server: `client.jobs`."""

    def __init__(self, exchange: Exchange, sleep: Callable[[float], None]) -> None:
        self._exchange = exchange
        self._sleep = sleep

    def submit(
        self,
        audio: "Sequence[str | os.PathLike[str] | bytes]",
        *,
        callback_url: str | None = None,
        priority: int = 0,
        time_to_live_s: float | None = None,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> JobStatus:
        """Hand in one or more recordings as one job. `options` are fields of `/transcribe`:
        `model`, `language`, `task`, `target_language`, `pnc`, `channel`, `hotwords`, `itn`,
        `profanity_filter`, `diarize`.

        Sent again after a lost connection it stays one job: it has a key of its own if none is
        given.

        Raises:
            ClientError: see `serve_app.client.errors`.
            OSError: a file cannot be read.
        """
        form = {
            **options,
            "callback_url": callback_url,
            "priority": priority or None,
            "time_to_live_s": time_to_live_s,
        }
        response = self._exchange(
            "POST",
            "/transcribe/async",
            data={key: value for key, value in form.items() if value not in (None, "", [])},
            files=lambda stack: [("file", _file(each, stack)) for each in audio],
            headers={"idempotency-key": idempotency_key or uuid.uuid4().hex},
        )
        return job_of(json_object(response))

    def get(self, job_id: str) -> JobStatus:
        """Raises ClientError."""
        return job_of(json_object(self._exchange("GET", f"/jobs/{job_id}/status")))

    def page(
        self, *, status: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> JobPage:
        """Raises ClientError."""
        params = {"status": status, "limit": limit, "cursor": cursor}
        known = {key: value for key, value in params.items() if value is not None}
        told = json_object(self._exchange("GET", "/jobs", params=known))
        return JobPage(tuple(map(job_of, told.get("jobs", []))), told.get("next_cursor"))

    def all(self, *, status: str | None = None) -> Iterator[JobStatus]:
        """All jobs, page by page. Raises ClientError."""
        cursor: str | None = None
        while True:
            page = self.page(status=status, cursor=cursor)
            yield from page.jobs
            if page.next_cursor is None:
                return
            cursor = page.next_cursor

    def wait(
        self,
        job_id: str,
        *,
        timeout_s: float = float("inf"),
        told: Callable[[JobStatus], None] = lambda job: None,
    ) -> JobStatus:
        """The job once it has ended; `told` hears of it each time it is asked for. A server that
        goes away meanwhile is waited for, for ten minutes: the job outlives it.

        Raises:
            ClientError: see `serve_app.client.errors`.
            WaitTimeoutError: it has not ended in time.
        """
        give_up_at = time.monotonic() + timeout_s
        pause_s, heard_at = _MIN_PAUSE_S, float("-inf")
        while True:
            try:
                job = self.get(job_id)
            except _LOST as error:
                if isinstance(error, ServerError) and error.status not in _GONE:
                    raise
                if time.monotonic() - heard_at > _MAX_GONE_S:
                    raise
            else:
                heard_at = time.monotonic()
                told(job)
                if job.has_ended:
                    return job
            if time.monotonic() + pause_s > give_up_at:
                raise WaitTimeoutError(job_id, timeout_s)
            self._sleep(pause_s)
            pause_s = min(pause_s * 1.2, _MAX_PAUSE_S)

    def result(self, job_id: str, response_format: JobFormat = "json") -> str:
        """What a completed job has come to, as the server writes it. Raises ClientError."""
        params = {"response_format": response_format}
        return self._exchange("GET", f"/jobs/{job_id}/result", params=params).text

    def transcript(self, job_id: str) -> Mapping[str, Any]:
        """The result as `/transcribe` gives it, parsed. Raises ClientError."""
        parsed: Mapping[str, Any] = json.loads(self.result(job_id))
        return parsed

    def cancel(self, job_id: str) -> JobStatus:
        """Raises ClientError."""
        return job_of(json_object(self._exchange("POST", f"/jobs/{job_id}/cancel")))

    def delete(self, job_id: str) -> None:
        """Forget it, whatever it does. Raises ClientError."""
        self._exchange("DELETE", f"/jobs/{job_id}")


def job_of(told: Mapping[str, Any]) -> JobStatus:
    return JobStatus(
        id=str(told["job_id"]),
        status=str(told["status"]),
        progress=float(told.get("progress") or 0.0),
        processed_s=float(told.get("processed_s") or 0.0),
        duration_s=float(told.get("duration_s") or 0.0),
        created_at=str(told.get("created_at", "")),
        error=told.get("error"),
        files=tuple(
            FileStatus(
                str(each["filename"]), str(each["status"]), float(each["progress"]), each["error"]
            )
            for each in told.get("files", ())
        ),
        told=told,
    )


def _file(audio: "str | os.PathLike[str] | bytes", stack: ExitStack) -> tuple[str, Any]:
    if isinstance(audio, bytes):
        return "audio", audio
    return Path(audio).name, stack.enter_context(Path(audio).open("rb"))
