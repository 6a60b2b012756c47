"""What can go wrong between a client and a server.

ClientError
├── InvalidUrlError        what was given as the address is none
├── UnreachableError       nothing listens at the address
├── ConnectionLostError    the server went away in the middle of an answer
├── AnswerTimeoutError     the server took longer than this client waits
├── WaitTimeoutError       a job has not ended in the time that it was waited for
├── StreamEndedError       the server ended a live stream, and why
└── ServerError            the server said no, and why

They survive pickling, because each passes every argument to `super().__init__`.
"""

import time
from email.utils import parsedate_to_datetime

import httpx

HTTP_ERROR = "http_error"
"""Stands for the code of an error that names none."""


class ClientError(Exception):
    """Root of all errors of this client. `str(error)` is fit to be shown."""


class InvalidUrlError(ClientError):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url

    def __str__(self) -> str:
        return (
            f"{self.url or 'nothing'} is no address of a server: one begins with http:// or "
            "https://, as http://127.0.0.1:8000 does"
        )


class UnreachableError(ClientError):
    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"no server answers at {self.url} ({self.reason}); start one with "
            "`chorus serve configs/tiny.yaml`, or name another with --url or CHORUS_URL"
        )


class ConnectionLostError(ClientError):
    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        return f"the connection to {self.url} was lost: {self.reason}"


class WaitTimeoutError(ClientError):
    def __init__(self, job_id: str, timeout_s: float) -> None:
        super().__init__(job_id, timeout_s)
        self.job_id = job_id
        self.timeout_s = timeout_s

    def __str__(self) -> str:
        return (
            f"job {self.job_id} has not ended in {self.timeout_s:g} s; it goes on, and "
            f"`chorus jobs wait {self.job_id}` waits for it again"
        )


class AnswerTimeoutError(ClientError):
    def __init__(self, url: str, timeout_s: float) -> None:
        super().__init__(url, timeout_s)
        self.url = url
        self.timeout_s = timeout_s

    def __str__(self) -> str:
        return f"{self.url} did not answer within {self.timeout_s:g} s"


class StreamEndedError(ClientError):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        """As WebSockets close: RFC 6455 §7.4.1."""
        self.reason = reason

    def __str__(self) -> str:
        return f"the server ended the stream: {self.reason or 'without a reason'} ({self.code})"


class ServerError(ClientError):
    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        retry_after_s: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(status, code, message, retry_after_s, request_id)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s
        self.request_id = request_id

    @property
    def is_lost_ingress(self) -> bool:
        """Whether Serve's proxy says so, of an ingress that died with the request: another one may
        answer. Chorus names its own errors."""
        return self.status == 500 and self.code == HTTP_ERROR

    def __str__(self) -> str:
        return f"{self.message} ({self.status} {self.code})"


def server_error(response: httpx.Response) -> ServerError:
    """From OpenAI's error shape; from a proxy's page, as far as it goes."""
    try:
        error = response.json()["error"]
        code, message = str(error["code"]), str(error["message"])
    except (ValueError, LookupError, TypeError):
        code, message = HTTP_ERROR, response.text.strip()[:200] or response.reason_phrase
    return ServerError(
        response.status_code,
        code,
        message,
        _retry_after_s(response.headers.get("retry-after")),
        response.headers.get("x-request-id"),
    )


def _retry_after_s(value: str | None) -> float | None:
    """`Retry-After`: seconds or a date, RFC 9110 §10.2.3."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
