"""The JSON of a request for speech, in; whom to ask for what, out."""

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from serve_app.config import LimitsConfig
from serve_app.errors import InvalidOptionError, UnsupportedOptionError
from serve_app.ingress.forms import shown
from serve_app.ingress.voices import SAMPLE_RATES_HZ, ServedVoice, ServedVoices
from serve_app.ingress.wires.rest.answers import Schema
from serve_app.models.protocols import SpeechFormat, SpokenText

CONTENT_TYPES: Mapping[str, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
_SAMPLE_RATE_HZ = 24_000
"""OpenAI's own; its `pcm` says nowhere what it is."""
_MIN_SPEED, _MAX_SPEED = 0.25, 4.0
_STREAM_FORMATS = ("audio", "sse")
_BYTES_PER_CHARACTER = 12
"""The most that JSON writes one with: two escaped halves of a surrogate pair."""
_FRAME_BYTES = 16 * 1024

_TEXT = {"type": "string"}

FIELDS: Mapping[str, Schema] = {
    "model": {
        **_TEXT,
        "description": "A synthesizer of `/v1/models`; OpenAI's names mean whoever has the voice.",
    },
    "input": {**_TEXT, "minLength": 1, "description": "What is to be said."},
    "voice": {
        "oneOf": [
            _TEXT,
            {"type": "object", "required": ["id"], "properties": {"id": _TEXT}},
        ],
        "description": "A voice of `/v1/audio/voices`. OpenAI's names mean the default one: of "
        "`language`, else a Russian one for a text in Cyrillic, else the server's.",
    },
    "response_format": {**_TEXT, "enum": list(CONTENT_TYPES), "default": "mp3"},
    "speed": {"type": "number", "minimum": _MIN_SPEED, "maximum": _MAX_SPEED, "default": 1},
    "stream_format": {
        **_TEXT,
        "enum": list(_STREAM_FORMATS),
        "default": "audio",
        "description": "The file itself as it is spoken, or pieces of it in events.",
    },
    "instructions": {
        **_TEXT,
        "maxLength": 0,
        "description": "How to speak: no voice here takes any, so it is refused unless empty.",
    },
    "language": {**_TEXT, "description": "ISO 639-1, BCP-47 or English name, of the text."},
    "sample_rate": {
        "type": "integer",
        "enum": list(SAMPLE_RATES_HZ),
        "default": _SAMPLE_RATE_HZ,
        "description": "Of the file, in Hz; Opus always decodes to 48,000.",
    },
}

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["input"],
                    "properties": dict(FIELDS),
                    "additionalProperties": False,
                }
            }
        },
    }
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom to ask for what, and how it is to be sent."""

    voice: ServedVoice
    spoken: SpokenText
    as_events: bool


def max_body_bytes(limits: LimitsConfig) -> int:
    """Of a body whose text is as long as it may be."""
    return limits.max_speech_chars * _BYTES_PER_CHARACTER + _FRAME_BYTES


def wanted_of(body: Mapping[str, Any], voices: ServedVoices, limits: LimitsConfig) -> Wanted:
    """
    Raises:
        RequestError: a field is wrong, or nobody here can speak so.
    """
    text = _input(body, limits.max_speech_chars)
    if _text(body, "instructions"):
        raise UnsupportedOptionError("instructions", "no voice here takes any")
    voice = voices.named(
        _voice(body.get("voice")),
        _text(body, "language"),
        model=_text(body, "model"),
        text=text,
    )
    chosen = _choice(body, "response_format", tuple(CONTENT_TYPES), "mp3")
    spoken = SpokenText(
        text,
        voice.name,
        speed=_speed(body.get("speed")),
        sample_rate_hz=_sample_rate_hz(body.get("sample_rate")),
        format=cast(SpeechFormat, chosen),
    )
    return Wanted(voice, spoken, _choice(body, "stream_format", _STREAM_FORMATS, "audio") == "sse")


def _input(body: Mapping[str, Any], max_chars: int) -> str:
    text = body.get("input")
    if not isinstance(text, str) or not any(map(_is_seen, text)):
        raise InvalidOptionError("input", "is no text that could be spoken")
    if len(text) > max_chars:
        raise InvalidOptionError(
            "input", f"is {len(text):,} characters long; {max_chars:,} are spoken at most"
        )
    return text


def _is_seen(letter: str) -> bool:
    """What is not, no synthesizer says: white space, control, format and unassigned characters."""
    return not letter.isspace() and not unicodedata.category(letter).startswith("C")


def _text(body: Mapping[str, Any], name: str) -> str | None:
    """None where it is absent, null or empty."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidOptionError(name, "is no text")
    return (value or "").strip() or None


def _voice(value: Any) -> str | None:
    if isinstance(value, dict):
        if set(value) != {"id"} or not isinstance(value["id"], str):
            raise InvalidOptionError("voice", 'is neither a name nor {"id": NAME}')
        value = value["id"]
    if value is not None and not isinstance(value, str):
        raise InvalidOptionError("voice", 'is neither a name nor {"id": NAME}')
    return (value or "").strip() or None


def _choice(body: Mapping[str, Any], name: str, choices: tuple[str, ...], default: str) -> str:
    value = _text(body, name) or default
    if value not in choices:
        raise InvalidOptionError(name, f"{shown(value)} is not one of: {', '.join(choices)}")
    return value


def _speed(value: Any) -> float:
    if value is None:
        return 1.0
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not _MIN_SPEED <= value <= _MAX_SPEED:
        raise InvalidOptionError("speed", f"is no number from {_MIN_SPEED:g} to {_MAX_SPEED:g}")
    return float(value)


def _sample_rate_hz(value: Any) -> int:
    if value is None:
        return _SAMPLE_RATE_HZ
    if isinstance(value, bool) or value not in SAMPLE_RATES_HZ:
        rates = ", ".join(str(rate) for rate in SAMPLE_RATES_HZ)
        raise InvalidOptionError("sample_rate", f"is not one of: {rates}")
    return int(value)
