"""The server cannot, or cannot now; nothing that the client did wrong."""

import math
from dataclasses import dataclass

from serve_app.errors.root import ErrorCode, SpeechError


class CapacityError(SpeechError):
    """The server cannot take this now."""

    retry_after_s: float


@dataclass(eq=False)
class AtCapacityError(CapacityError):
    code = ErrorCode.AT_CAPACITY

    what: str
    retry_after_s: float

    def __str__(self) -> str:
        return f"at capacity: {self.what}; try again in {self.retry_after_s:g} s"


@dataclass(eq=False)
class UploadsFullError(CapacityError):
    code = ErrorCode.UPLOADS_FULL

    num_bytes: int
    retry_after_s: float

    def __str__(self) -> str:
        return (
            f"no memory for {self.num_bytes:,} bytes more of uploads; "
            f"try again in {self.retry_after_s:g} s"
        )


@dataclass(eq=False)
class ShuttingDownError(CapacityError):
    code = ErrorCode.SHUTTING_DOWN

    retry_after_s: float

    def __str__(self) -> str:
        return f"the server is being stopped; try again in {self.retry_after_s:g} s"


@dataclass(eq=False)
class ModelUnavailableError(CapacityError):
    code = ErrorCode.MODEL_UNAVAILABLE

    model: str
    retry_after_s: float

    def __str__(self) -> str:
        return f"{self.model} has no replica that can answer; try again in {self.retry_after_s:g} s"


@dataclass(eq=False)
class KeyLimitError(CapacityError):
    """The caller's API key has used up what it may; the code says which limit it is."""

    limit: float
    retry_after_s: float


class RequestLimitError(KeyLimitError):
    code = ErrorCode.REQUEST_LIMIT

    def __str__(self) -> str:
        return (
            f"this key may make {self.limit:g} requests a minute; "
            f"try again in {math.ceil(self.retry_after_s)} s"
        )


class AudioLimitError(KeyLimitError):
    code = ErrorCode.AUDIO_LIMIT

    def __str__(self) -> str:
        return f"this key has had its {self.limit:g} s of audio for today; the day ends at 0:00 UTC"


class StreamLimitError(KeyLimitError):
    code = ErrorCode.STREAM_LIMIT

    def __str__(self) -> str:
        return f"this key has {self.limit:g} streams open, the most that it may"


@dataclass(eq=False)
class DeadlineExceededError(SpeechError):
    code = ErrorCode.DEADLINE_EXCEEDED

    limit_s: float

    def __str__(self) -> str:
        return f"the request took longer than {self.limit_s:g} s"


@dataclass(eq=False)
class EngineError(SpeechError):
    code = ErrorCode.ENGINE_FAILED

    model: str
    reason: str

    def __str__(self) -> str:
        return f"{self.model} failed: {self.reason}"
