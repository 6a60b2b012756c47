"""What all errors have: a code, a text for the client, and their way through pickle."""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import ClassVar, cast


class ErrorCode(StrEnum):
    """The server's own name for what went wrong; stable, and the same on every wire."""

    INVALID_OPTION = "invalid_option"
    UNSUPPORTED_OPTION = "unsupported_option"
    MODEL_NOT_FOUND = "model_not_found"
    UNSUPPORTED_LANGUAGE = "unsupported_language"
    UNSUPPORTED_TRANSLATION = "unsupported_translation"
    EMPTY_AUDIO = "empty_audio"
    UNDECODABLE_AUDIO = "undecodable_audio"
    UNSUPPORTED_FORMAT = "unsupported_format"
    AUDIO_TOO_LONG = "audio_too_long"
    UPLOAD_TOO_LARGE = "upload_too_large"
    UPLOAD_TIMEOUT = "upload_timeout"
    AT_CAPACITY = "at_capacity"
    UPLOADS_FULL = "uploads_full"
    SHUTTING_DOWN = "shutting_down"
    MODEL_UNAVAILABLE = "model_unavailable"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    ENGINE_FAILED = "engine_failed"
    JOB_NOT_FOUND = "job_not_found"
    JOB_NOT_FINISHED = "job_not_finished"
    JOB_ENDED = "job_ended"
    JOBS_UNAVAILABLE = "jobs_unavailable"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    INVALID_MESSAGE = "invalid_message"
    STREAM_IDLE = "stream_idle"
    STREAM_OVERRUN = "stream_overrun"
    INVALID_API_KEY = "invalid_api_key"
    ORIGIN_REFUSED = "origin_refused"
    REQUEST_LIMIT = "request_limit_reached"
    AUDIO_LIMIT = "audio_limit_reached"
    STREAM_LIMIT = "stream_limit_reached"


class ToldError(Exception):
    """One whose dataclass fields are its arguments, so that it survives pickling."""

    def __post_init__(self) -> None:
        super().__init__(*(getattr(self, field.name) for field in fields(self)))  # type: ignore[arg-type]


class SpeechError(ToldError):
    """Root of all errors that reach a client. `str(error)` is fit to be shown to them."""

    code: ClassVar[ErrorCode]
    param = cast(str | None, None)
    """The request field that is to blame, where there is one."""


@dataclass(eq=False)
class ConfigError(ToldError):
    """A configuration that cannot be served, with the place where it is wrong."""

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"
