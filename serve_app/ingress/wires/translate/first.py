"""The first message of `/ws/translate`, in; what is asked for, out."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from serve_app.audio.frames import PacketFormat
from serve_app.audio.voice import VoiceActivity
from serve_app.config import ServerConfig
from serve_app.errors import (
    InvalidOptionError,
    UnsupportedFormatError,
    UnsupportedLanguageError,
    UnsupportedOptionError,
    UnsupportedTranslationError,
)
from serve_app.ingress.forms import shown
from serve_app.ingress.served import ServedModels
from serve_app.ingress.sockets.translation.asked import (
    AskedConversation,
    Direction,
    checked_language,
    translating_model,
    voices_of,
)
from serve_app.ingress.voices import SAMPLE_RATES_HZ, ServedVoices
from serve_app.transcript.languages import code_of

_FIELDS = (
    "mode", "src", "tgt", "languages", "sample_rate", "channels", "model", "voice", "speech",
    "source_text", "silence_ms", "half_duplex", "events", "output_sample_rate",
)  # fmt: skip
_DEFAULT_PAIR = ("en", "ru")
_AUTO = "auto"
_DEFAULT_RATE_HZ = 48_000
"""Of browsers' microphones."""
_OUTPUT_RATE_HZ = 24_000
_MIN_SILENCE_MS, _MAX_SILENCE_MS = 100, 30_000

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class First:
    """What one client wants."""

    asked: AskedConversation
    packet_format: PacketFormat
    with_events: bool
    """Whether every text frame has a `type`; clients that were there before know no other than
    the translation itself."""


def first_of(
    fields: Fields, config: ServerConfig, served: ServedModels, voices: ServedVoices
) -> First:
    """
    Raises:
        RequestError: a field is unknown, or has a value that nobody here can honour.
    """
    for name in fields:
        if name not in _FIELDS:
            raise InvalidOptionError(name[:100], f"no such field; there are: {', '.join(_FIELDS)}")
    direction = _direction(fields, served)
    rate_hz = _number(fields, "output_sample_rate", _OUTPUT_RATE_HZ)
    if rate_hz not in SAMPLE_RATES_HZ:
        rates = ", ".join(map(str, SAMPLE_RATES_HZ))
        raise InvalidOptionError("output_sample_rate", f"is none of {rates}")
    streams = config.streams
    silence_ms = _number(fields, "silence_ms", round(streams.silence_s * 1000))
    if not _MIN_SILENCE_MS <= silence_ms <= _MAX_SILENCE_MS:
        raise InvalidOptionError(
            "silence_ms", f"is no number from {_MIN_SILENCE_MS} to {_MAX_SILENCE_MS}"
        )
    wants_speech = _flag(fields, "speech", default=True)
    with _blaming(fields, direction):
        model = translating_model(served, _text(fields, "model"), direction)
        spoken = voices_of(voices, direction.languages, _voice(fields)) if wants_speech else {}
    wants_source = _flag(fields, "source_text", default=False)
    if wants_source and model.streaming is not None:
        raise UnsupportedOptionError(
            "source_text", f"{model.name} translates while it hears, and writes nothing else down"
        )
    asked = AskedConversation(
        model=model,
        direction=direction,
        voices=spoken,
        voice_activity=VoiceActivity(streams.vad_threshold, silence_s=silence_ms / 1000),
        source_text=wants_source,
        sample_rate_hz=rate_hz,
        half_duplex=_flag(fields, "half_duplex", default=False),
        quiet_s=config.translation.quiet_s,
    )
    return First(asked, _packets(fields), _flag(fields, "events", default=False))


def _direction(fields: Fields, served: ServedModels) -> Direction:
    mode, src, tgt = (_text(fields, name) for name in ("mode", "src", "tgt"))
    if mode is None and (src is None or tgt is None):
        raise InvalidOptionError("mode", "is missing: `en->ru`, `auto`, or `src` and `tgt`")
    if mode is not None and (src or tgt):
        raise InvalidOptionError("mode", "says what `src` and `tgt` say too")
    if mode == _AUTO:
        first, second = _pair(fields)
        pair = (
            checked_language(first, served, "languages"),
            checked_language(second, served, "languages"),
        )
        return _crossing(Direction(*pair, is_auto=True), "languages")
    if "languages" in fields:
        raise InvalidOptionError("languages", "is of the mode `auto`")
    if mode is not None:
        src, arrow, tgt = (part.strip() for part in mode.partition("->"))
        if not arrow or not src or not tgt:
            raise InvalidOptionError(
                "mode", f"{shown(mode)} is neither `auto` nor like `en->ru` or `auto->ru`"
            )
    source = None
    if src != _AUTO:
        source = checked_language(code_of(src or ""), served, "src" if mode is None else "mode")
    target = checked_language(code_of(tgt or ""), served, "tgt" if mode is None else "mode")
    return _crossing(Direction(source, target), "tgt" if mode is None else "mode")


@contextmanager
def _blaming(fields: Fields, direction: Direction) -> Iterator[None]:
    """What is refused is named by the field of this message that said it."""
    is_pair = "mode" not in fields
    try:
        yield
    except UnsupportedOptionError as error:
        if error.param == "mode" and is_pair:
            error.param = "src"
        raise
    except (UnsupportedLanguageError, UnsupportedTranslationError) as error:
        if isinstance(error, UnsupportedTranslationError) and not error.supported:
            error.param = "model"
        elif direction.is_auto:
            error.param = "languages" if "languages" in fields else "mode"
        else:
            error.param = "tgt" if is_pair else "mode"
        raise


def _crossing(direction: Direction, param: str) -> Direction:
    if direction.source == direction.target:
        raise InvalidOptionError(param, "is twice the same language")
    return direction


def _pair(fields: Fields) -> tuple[str, str]:
    value = fields.get("languages", list(_DEFAULT_PAIR))
    if (
        not isinstance(value, list)
        or len(value) != 2
        or not all(isinstance(code, str) for code in value)
    ):
        raise InvalidOptionError("languages", "is no list of two languages")
    return code_of(value[0]), code_of(value[1])


def _packets(fields: Fields) -> PacketFormat:
    rate_hz = _number(fields, "sample_rate", _DEFAULT_RATE_HZ)
    packet_format = PacketFormat(rate_hz=rate_hz, num_channels=_number(fields, "channels", 1))
    try:
        packet_format.check()
    except UnsupportedFormatError as error:
        is_rate = "Hz" in error.found
        raise InvalidOptionError("sample_rate" if is_rate else "channels", str(error)) from error
    return packet_format


def _voice(fields: Fields) -> Mapping[str, str] | str | None:
    value = fields.get("voice")
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value.values()):
        raise InvalidOptionError("voice", "is neither a name nor a name for each language")
    return {code_of(code): name for code, name in value.items()}


def _text(fields: Fields, name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidOptionError(name, "is no text")
    return (value or "").strip() or None


def _flag(fields: Fields, name: str, *, default: bool) -> bool:
    value = fields.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise InvalidOptionError(name, "is neither true nor false")
    return value


def _number(fields: Fields, name: str, default: int) -> int:
    value = fields.get(name)
    if value is None:
        return default
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise InvalidOptionError(name, "is no whole number")
    return value
