"""A request that is wrong, or comes from whom nobody knows."""

from dataclasses import dataclass, field

from serve_app.errors.root import ErrorCode, SpeechError


class RequestError(SpeechError):
    """The request itself is wrong."""


@dataclass(eq=False)
class InvalidOptionError(RequestError):
    code = ErrorCode.INVALID_OPTION

    param: str = field()  # no default, though `SpeechError` has one
    reason: str

    def __str__(self) -> str:
        return f"{self.param}: {self.reason}"


@dataclass(eq=False)
class UnsupportedOptionError(RequestError):
    code = ErrorCode.UNSUPPORTED_OPTION

    param: str = field()  # no default, though `SpeechError` has one
    reason: str

    def __str__(self) -> str:
        return f"{self.param}: {self.reason}"


@dataclass(eq=False)
class UnknownModelError(RequestError):
    code = ErrorCode.MODEL_NOT_FOUND
    param = "model"

    model: str
    served: tuple[str, ...]

    def __str__(self) -> str:
        return f"no model is served as {self.model!r}; served here: {', '.join(self.served)}"


@dataclass(eq=False)
class UnsupportedLanguageError(RequestError):
    code = ErrorCode.UNSUPPORTED_LANGUAGE
    param = "language"

    language: str
    model: str
    supported: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.model} does not know the language {self.language!r}; "
            f"it knows: {', '.join(self.supported)}"
        )


@dataclass(eq=False)
class UnsupportedTranslationError(RequestError):
    code = ErrorCode.UNSUPPORTED_TRANSLATION
    param = "target_language"

    source: str | None
    target: str
    model: str
    supported: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        if not self.supported:
            return f"{self.model} does not translate"
        pairs = ", ".join(f"{source} to {target}" for source, target in self.supported)
        origin = f"from {self.source!r} " if self.source else ""
        return f"{self.model} does not translate {origin}to {self.target!r}; it translates: {pairs}"


@dataclass(eq=False)
class UnauthenticatedError(SpeechError):
    code = ErrorCode.INVALID_API_KEY

    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(eq=False)
class OriginRefusedError(SpeechError):
    code = ErrorCode.ORIGIN_REFUSED

    origin: str

    def __str__(self) -> str:
        return f"pages of {self.origin!r} may not open sockets here; see cors_origins"
