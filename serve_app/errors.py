"""Every error that a client can meet, as one tree. A wire turns its `code` into its own status.

SpeechError
├── RequestError                 the request itself is wrong; `param` names the field
│   ├── InvalidOptionError       a value that nobody could honour
│   ├── UnsupportedOptionError   a value that this model or server cannot honour
│   ├── UnknownModelError
│   ├── UnsupportedLanguageError
│   └── UnsupportedTranslationError
├── AudioError                   what arrived is no audio that can be transcribed
│   ├── EmptyAudioError
│   ├── UndecodableAudioError
│   ├── UnsupportedFormatError
│   ├── AudioTooLongError
│   ├── UploadTooLargeError
│   ├── UploadTimeoutError       the upload did not arrive in time
│   └── UploadStalledError       nothing of it arrived for too long, or too little
├── CapacityError                try again after `retry_after_s`
│   ├── AtCapacityError          a queue is full
│   ├── UploadsFullError         the uploads that are held fill the memory meant for them
│   ├── ShuttingDownError        the server is being stopped
│   ├── ModelUnavailableError    no replica can answer now
│   └── KeyLimitError            the caller's API key has used up what it may
│       ├── RequestLimitError
│       ├── AudioLimitError
│       └── StreamLimitError
├── StreamError                  a live stream that cannot go on as its client goes on
│   ├── MessageError             a message that the protocol does not have
│   ├── StreamIdleError          nothing came for too long, or too little
│   └── StreamOverrunError       more came than may wait to be heard
├── UnauthenticatedError         no API key, or none that this server knows
├── OriginRefusedError           a page of an origin that may not open sockets here
├── DeadlineExceededError        the time limit of the request passed
└── EngineError                  the model failed; nothing that the client can mend

ConfigError stands outside: it reaches the operator, before a server exists.

All of them survive pickling, because each passes every argument to `super().__init__`.
"""

import math
from enum import StrEnum
from typing import ClassVar


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
    INVALID_MESSAGE = "invalid_message"
    STREAM_IDLE = "stream_idle"
    STREAM_OVERRUN = "stream_overrun"
    INVALID_API_KEY = "invalid_api_key"
    ORIGIN_REFUSED = "origin_refused"
    REQUEST_LIMIT = "request_limit_reached"
    AUDIO_LIMIT = "audio_limit_reached"
    STREAM_LIMIT = "stream_limit_reached"


class SpeechError(Exception):
    """Root of all errors that reach a client. `str(error)` is fit to be shown to them."""

    code: ClassVar[ErrorCode]
    param: str | None = None
    """The request field that is to blame, where there is one."""


class RequestError(SpeechError):
    """The request itself is wrong."""


class InvalidOptionError(RequestError):
    code = ErrorCode.INVALID_OPTION

    def __init__(self, param: str, reason: str) -> None:
        super().__init__(param, reason)
        self.param = param
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.param}: {self.reason}"


class UnsupportedOptionError(RequestError):
    code = ErrorCode.UNSUPPORTED_OPTION

    def __init__(self, param: str, reason: str) -> None:
        super().__init__(param, reason)
        self.param = param
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.param}: {self.reason}"


class UnknownModelError(RequestError):
    code = ErrorCode.MODEL_NOT_FOUND
    param = "model"

    def __init__(self, model: str, served: tuple[str, ...]) -> None:
        super().__init__(model, served)
        self.model = model
        self.served = served

    def __str__(self) -> str:
        return f"no model is served as {self.model!r}; served here: {', '.join(self.served)}"


class UnsupportedLanguageError(RequestError):
    code = ErrorCode.UNSUPPORTED_LANGUAGE
    param = "language"

    def __init__(self, language: str, model: str, supported: tuple[str, ...]) -> None:
        super().__init__(language, model, supported)
        self.language = language
        self.model = model
        self.supported = supported

    def __str__(self) -> str:
        return (
            f"{self.model} does not know the language {self.language!r}; "
            f"it knows: {', '.join(self.supported)}"
        )


class UnsupportedTranslationError(RequestError):
    code = ErrorCode.UNSUPPORTED_TRANSLATION
    param = "target_language"

    def __init__(
        self, source: str | None, target: str, model: str, supported: tuple[tuple[str, str], ...]
    ) -> None:
        super().__init__(source, target, model, supported)
        self.source = source
        self.target = target
        self.model = model
        self.supported = supported

    def __str__(self) -> str:
        if not self.supported:
            return f"{self.model} does not translate"
        pairs = ", ".join(f"{source} to {target}" for source, target in self.supported)
        origin = f"from {self.source!r} " if self.source else ""
        return f"{self.model} does not translate {origin}to {self.target!r}; it translates: {pairs}"


class AudioError(SpeechError):
    """What arrived is no audio that can be transcribed."""

    param: str | None = "file"


class EmptyAudioError(AudioError):
    code = ErrorCode.EMPTY_AUDIO

    def __str__(self) -> str:
        return "the upload holds no audio samples"


class UndecodableAudioError(AudioError):
    code = ErrorCode.UNDECODABLE_AUDIO

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the audio cannot be decoded: {self.reason}"


class UnsupportedFormatError(AudioError):
    code = ErrorCode.UNSUPPORTED_FORMAT

    def __init__(self, found: str, supported: tuple[str, ...]) -> None:
        super().__init__(found, supported)
        self.found = found
        self.supported = supported

    def __str__(self) -> str:
        return f"{self.found} is not accepted; accepted: {', '.join(self.supported)}"


class AudioTooLongError(AudioError):
    code = ErrorCode.AUDIO_TOO_LONG

    def __init__(self, duration_s: float, limit_s: float) -> None:
        super().__init__(duration_s, limit_s)
        self.duration_s = duration_s
        self.limit_s = limit_s

    def __str__(self) -> str:
        return f"the audio is longer than {self.limit_s:g} s, the longest accepted here"


class UploadTooLargeError(AudioError):
    code = ErrorCode.UPLOAD_TOO_LARGE

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.limit_bytes = limit_bytes

    def __str__(self) -> str:
        return f"the upload is larger than {self.limit_bytes:,} bytes, the largest accepted here"


class UploadTimeoutError(AudioError):
    code = ErrorCode.UPLOAD_TIMEOUT

    def __init__(self, limit_s: float) -> None:
        super().__init__(limit_s)
        self.limit_s = limit_s

    def __str__(self) -> str:
        return f"the upload took longer than {self.limit_s:g} s to arrive"


class UploadStalledError(AudioError):
    code = ErrorCode.UPLOAD_TIMEOUT

    def __init__(self, num_bytes: int, passed_s: float) -> None:
        super().__init__(num_bytes, passed_s)
        self.num_bytes = num_bytes
        self.passed_s = passed_s

    def __str__(self) -> str:
        return f"the upload stalled: {self.num_bytes:,} bytes arrived in {self.passed_s:.0f} s"


class CapacityError(SpeechError):
    """The server cannot take this now."""

    retry_after_s: float


class AtCapacityError(CapacityError):
    code = ErrorCode.AT_CAPACITY

    def __init__(self, what: str, retry_after_s: float) -> None:
        super().__init__(what, retry_after_s)
        self.what = what
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"at capacity: {self.what}; try again in {self.retry_after_s:g} s"


class UploadsFullError(CapacityError):
    code = ErrorCode.UPLOADS_FULL

    def __init__(self, num_bytes: int, retry_after_s: float) -> None:
        super().__init__(num_bytes, retry_after_s)
        self.num_bytes = num_bytes
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return (
            f"no memory for {self.num_bytes:,} bytes more of uploads; "
            f"try again in {self.retry_after_s:g} s"
        )


class ShuttingDownError(CapacityError):
    code = ErrorCode.SHUTTING_DOWN

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"the server is being stopped; try again in {self.retry_after_s:g} s"


class ModelUnavailableError(CapacityError):
    code = ErrorCode.MODEL_UNAVAILABLE

    def __init__(self, model: str, retry_after_s: float) -> None:
        super().__init__(model, retry_after_s)
        self.model = model
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"{self.model} has no replica that can answer; try again in {self.retry_after_s:g} s"


class KeyLimitError(CapacityError):
    """The caller's API key has used up what it may; the code says which limit it is."""

    def __init__(self, limit: float, retry_after_s: float) -> None:
        super().__init__(limit, retry_after_s)
        self.limit = limit
        self.retry_after_s = retry_after_s


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


class StreamError(SpeechError):
    """A live stream that cannot go on as its client goes on."""


class MessageError(StreamError):
    code = ErrorCode.INVALID_MESSAGE

    def __init__(self, reason: str, param: str | None = None) -> None:
        super().__init__(reason, param)
        self.reason = reason
        self.param = param

    def __str__(self) -> str:
        return self.reason


class StreamIdleError(StreamError):
    code = ErrorCode.STREAM_IDLE

    def __init__(self, limit_s: float) -> None:
        super().__init__(limit_s)
        self.limit_s = limit_s

    def __str__(self) -> str:
        return f"no audio came, or next to none, for {self.limit_s:.3g} s"


class StreamOverrunError(StreamError):
    code = ErrorCode.STREAM_OVERRUN

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.limit_bytes = limit_bytes

    def __str__(self) -> str:
        return f"more than {self.limit_bytes:,} bytes wait to be heard: send no faster than speech"


class UnauthenticatedError(SpeechError):
    code = ErrorCode.INVALID_API_KEY

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class OriginRefusedError(SpeechError):
    code = ErrorCode.ORIGIN_REFUSED

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.origin = origin

    def __str__(self) -> str:
        return f"pages of {self.origin!r} may not open sockets here; see cors_origins"


class DeadlineExceededError(SpeechError):
    code = ErrorCode.DEADLINE_EXCEEDED

    def __init__(self, limit_s: float) -> None:
        super().__init__(limit_s)
        self.limit_s = limit_s

    def __str__(self) -> str:
        return f"the request took longer than {self.limit_s:g} s"


class EngineError(SpeechError):
    code = ErrorCode.ENGINE_FAILED

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(model, reason)
        self.model = model
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.model} failed: {self.reason}"


class ConfigError(Exception):
    """A configuration that cannot be served, with the place where it is wrong."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place = place
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"
