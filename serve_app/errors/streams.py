"""A live stream that cannot go on as its client goes on."""

from dataclasses import dataclass

from serve_app.errors.root import ErrorCode, SpeechError


class StreamError(SpeechError):
    """A live stream that cannot go on as its client goes on."""


@dataclass(eq=False)
class MessageError(StreamError):
    code = ErrorCode.INVALID_MESSAGE

    reason: str
    param: str | None = None

    def __str__(self) -> str:
        return self.reason


@dataclass(eq=False)
class StreamIdleError(StreamError):
    code = ErrorCode.STREAM_IDLE

    limit_s: float

    def __str__(self) -> str:
        return f"no audio came, or next to none, for {self.limit_s:.3g} s"


@dataclass(eq=False)
class StreamOverrunError(StreamError):
    code = ErrorCode.STREAM_OVERRUN

    limit_bytes: int

    def __str__(self) -> str:
        return f"more than {self.limit_bytes:,} bytes wait to be heard: send no faster than speech"
