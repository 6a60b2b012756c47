"""What arrived is no audio that can be transcribed, or did not arrive."""

from dataclasses import dataclass

from serve_app.errors.root import ErrorCode, SpeechError


class AudioError(SpeechError):
    """What arrived is no audio that can be transcribed."""

    param: str | None = "file"


class EmptyAudioError(AudioError):
    code = ErrorCode.EMPTY_AUDIO

    def __str__(self) -> str:
        return "the upload holds no audio samples"


@dataclass(eq=False)
class UndecodableAudioError(AudioError):
    code = ErrorCode.UNDECODABLE_AUDIO

    reason: str

    def __str__(self) -> str:
        return f"the audio cannot be decoded: {self.reason}"


class DecoderLostError(UndecodableAudioError):
    """It may be the decoder's fault: another one could get through."""


@dataclass(eq=False)
class UnsupportedFormatError(AudioError):
    code = ErrorCode.UNSUPPORTED_FORMAT

    found: str
    supported: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.found} is not accepted; accepted: {', '.join(self.supported)}"


@dataclass(eq=False)
class AudioTooLongError(AudioError):
    code = ErrorCode.AUDIO_TOO_LONG

    duration_s: float
    limit_s: float

    def __str__(self) -> str:
        return f"the audio is longer than {self.limit_s:g} s, the longest accepted here"


@dataclass(eq=False)
class UploadTooLargeError(AudioError):
    code = ErrorCode.UPLOAD_TOO_LARGE

    limit_bytes: int

    def __str__(self) -> str:
        return f"the upload is larger than {self.limit_bytes:,} bytes, the largest accepted here"


@dataclass(eq=False)
class UploadTimeoutError(AudioError):
    code = ErrorCode.UPLOAD_TIMEOUT

    limit_s: float

    def __str__(self) -> str:
        return f"the upload took longer than {self.limit_s:g} s to arrive"


@dataclass(eq=False)
class UploadStalledError(AudioError):
    code = ErrorCode.UPLOAD_TIMEOUT

    num_bytes: int
    passed_s: float

    def __str__(self) -> str:
        return f"the upload stalled: {self.num_bytes:,} bytes arrived in {self.passed_s:.0f} s"
