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
├── JobError                     a job that is not there, or not in the state taken for granted
│   ├── UnknownJobError
│   ├── JobNotFinishedError
│   ├── JobEndedError
│   └── IdempotencyConflictError
├── UnauthenticatedError         no API key, or none that this server knows
├── OriginRefusedError           a page of an origin that may not open sockets here
├── DeadlineExceededError        the time limit of the request passed
└── EngineError                  the model failed; nothing that the client can mend

ConfigError stands outside: it reaches the operator, before a server exists.

All of them survive pickling.
"""

from serve_app.errors.audio import (
    AudioError,
    AudioTooLongError,
    DecoderLostError,
    EmptyAudioError,
    UndecodableAudioError,
    UnsupportedFormatError,
    UploadStalledError,
    UploadTimeoutError,
    UploadTooLargeError,
)
from serve_app.errors.capacity import (
    AtCapacityError,
    AudioLimitError,
    CapacityError,
    DeadlineExceededError,
    EngineError,
    KeyLimitError,
    ModelUnavailableError,
    RequestLimitError,
    ShuttingDownError,
    StreamLimitError,
    UploadsFullError,
)
from serve_app.errors.jobs import (
    IdempotencyConflictError,
    JobEndedError,
    JobError,
    JobNotFinishedError,
    JobsUnavailableError,
    UnknownJobError,
)
from serve_app.errors.requests import (
    InvalidOptionError,
    OriginRefusedError,
    RequestError,
    UnauthenticatedError,
    UnknownModelError,
    UnsupportedLanguageError,
    UnsupportedOptionError,
    UnsupportedTranslationError,
)
from serve_app.errors.root import ConfigError, ErrorCode, SpeechError
from serve_app.errors.streams import MessageError, StreamError, StreamIdleError, StreamOverrunError

__all__ = [
    "AtCapacityError",
    "AudioError",
    "AudioLimitError",
    "AudioTooLongError",
    "CapacityError",
    "ConfigError",
    "DeadlineExceededError",
    "DecoderLostError",
    "EmptyAudioError",
    "EngineError",
    "ErrorCode",
    "IdempotencyConflictError",
    "InvalidOptionError",
    "JobEndedError",
    "JobError",
    "JobNotFinishedError",
    "JobsUnavailableError",
    "KeyLimitError",
    "MessageError",
    "ModelUnavailableError",
    "OriginRefusedError",
    "RequestError",
    "RequestLimitError",
    "ShuttingDownError",
    "SpeechError",
    "StreamError",
    "StreamIdleError",
    "StreamLimitError",
    "StreamOverrunError",
    "UnauthenticatedError",
    "UndecodableAudioError",
    "UnknownJobError",
    "UnknownModelError",
    "UnsupportedFormatError",
    "UnsupportedLanguageError",
    "UnsupportedOptionError",
    "UnsupportedTranslationError",
    "UploadStalledError",
    "UploadTimeoutError",
    "UploadTooLargeError",
    "UploadsFullError",
]
