"""Speech over HTTP: a text out, its sound in, as early as the server has it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import httpx

from serve_app.client.answers import json_object
from serve_app.client.errors import AnswerTimeoutError, ConnectionLostError

SoundFormat: TypeAlias = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]


@dataclass(frozen=True, slots=True)
class VoiceDescription:
    """One entry of `/v1/audio/voices`."""

    name: str
    language: str
    model: str
    kind: str
    is_default: bool
    """Of its language."""
    licence: str | None
    attribution: str | None
    non_commercial: bool
    simulated: bool


@dataclass(frozen=True, slots=True)
class Sound:
    """A text that was spoken."""

    data: bytes
    """The whole file."""
    voice: str
    """Who speaks."""
    simulated: bool


class Speaking(ABC):
    """What a client has to do with speech."""

    base_url: str
    timeout_s: float

    @abstractmethod
    def _answer(
        self, method: str, path: str, *, json: Mapping[str, Any] | None = None, stream: bool = False
    ) -> httpx.Response:
        """The answer of a server that may be full, or go away, before it begins."""

    def speak(self, text: str, **options: Any) -> Sound:
        """The sound of a text; `options` as of `speak_in_parts`.

        Raises:
            ClientError: see `serve_app.client.errors`.
        """
        response = self._answer("POST", "/v1/audio/speech", json=_body(text, **options))
        return Sound(
            response.content,
            response.headers.get("x-chorus-voice", ""),
            "x-chorus-simulated" in response.headers,
        )

    def speak_in_parts(self, text: str, **options: Any) -> Iterator[bytes]:
        """Yield the file piece by piece, as it is spoken.

        `options` are those of `/v1/audio/speech`, by its names: `voice`, `language`, `model`,
        `response_format` (mp3 if not given), `speed`, `sample_rate`.

        Raises:
            ClientError: see `serve_app.client.errors`.
        """
        body = _body(text, **options)
        response = self._answer("POST", "/v1/audio/speech", json=body, stream=True)
        with closing(response):
            try:
                yield from response.iter_bytes()
            except httpx.TimeoutException as error:
                raise AnswerTimeoutError(self.base_url, self.timeout_s) from error
            except httpx.TransportError as error:
                raise ConnectionLostError(self.base_url, str(error)) from error

    def voices(self) -> list[VoiceDescription]:
        """The voices that the server has, by language.

        Raises:
            ClientError: see `serve_app.client.errors`.
        """
        told = json_object(self._answer("GET", "/v1/audio/voices"))
        return [_voice_of(entry) for entry in told.get("data", [])]


def _body(
    text: str,
    *,
    voice: str | None = None,
    language: str | None = None,
    model: str | None = None,
    response_format: SoundFormat | None = None,
    speed: float | None = None,
    sample_rate: int | None = None,
) -> dict[str, Any]:
    fields = {
        "input": text,
        "voice": voice,
        "language": language,
        "model": model,
        "response_format": response_format,
        "speed": speed,
        "sample_rate": sample_rate,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _voice_of(entry: Mapping[str, Any]) -> VoiceDescription:
    return VoiceDescription(
        name=str(entry["id"]),
        language=str(entry.get("language") or ""),
        model=str(entry.get("model") or ""),
        kind=str(entry.get("kind") or ""),
        is_default=bool(entry.get("default_of_language")),
        licence=entry.get("licence"),
        attribution=entry.get("attribution"),
        non_commercial=bool(entry.get("non_commercial")),
        simulated=bool(entry.get("simulated")),
    )
