"""The `session` of OpenAI's transcription sessions: what a client sets, and how it is shown.

What is omitted stays as it is, `null` turns off, and what cannot be honoured is refused by name:
then nothing of that update holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from serve_app.audio.frames import PACKET_RATES_HZ, Encoding, PacketFormat
from serve_app.audio.voice import VoiceActivity
from serve_app.config import ModelConfig
from serve_app.errors import InvalidOptionError, UnsupportedOptionError
from serve_app.ingress.forms import shown
from serve_app.ingress.served import ServedModels, language_of
from serve_app.ingress.sockets.transcription.asked import Asked, streaming_model
from serve_app.ingress.wires.realtime.bodies import (
    check_names,
    number_of,
    object_of,
    text_of,
    unknown,
)
from serve_app.models.protocols import StreamOptions
from serve_app.transcript.render import Json

LOGPROBS = "item.input_audio_transcription.logprobs"

_PCM_RATE_HZ = 24_000
_TELEPHONE_RATE_HZ = 8_000
_ENCODINGS: Mapping[str, Encoding] = {
    "audio/pcm": Encoding.PCM16,
    "audio/pcmu": Encoding.MULAW,
    "audio/pcma": Encoding.ALAW,
}
_SERVER_VAD = VoiceActivity(threshold=0.5, prefix_padding_s=0.3, silence_s=0.5)
"""OpenAI's defaults."""
_MAX_PADDING_MS, _MAX_SILENCE_MS = 5_000, 30_000
_NO_RESPONSES = ("create_response", "interrupt_response")
"""Of `turn_detection`: about answers of a model, of which a transcription session has none."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A session as it is set now."""

    model: ModelConfig
    model_name: str
    """As the client calls it."""
    language: str | None = None
    """ISO 639-1; None lets the model find out."""
    transcribes: bool = True
    format_name: str = "audio/pcm"
    rate_hz: int = _PCM_RATE_HZ
    voice_activity: VoiceActivity | None = _SERVER_VAD
    """None: the client ends its utterances by `input_audio_buffer.commit`."""
    logprobs: bool = False

    @property
    def packet_format(self) -> PacketFormat:
        return PacketFormat(_ENCODINGS[self.format_name], self.rate_hz)

    def asked(self) -> Asked:
        # Voice activity or commits end its utterances: the decoder may pause within one.
        return Asked(self.model, StreamOptions(language=self.language), self.voice_activity)

    def shown(self, session_id: str) -> dict[str, Json]:
        """The whole session, as `session.created` and `session.updated` have it."""
        audio_format: dict[str, Json] = {"type": self.format_name}
        if self.format_name == "audio/pcm":
            audio_format["rate"] = self.rate_hz
        transcription: dict[str, Json] | None = None
        if self.transcribes:
            transcription = {"model": self.model_name, "language": self.language, "prompt": None}
        return {
            "type": "transcription",
            "object": "realtime.transcription_session",
            "id": session_id,
            "audio": {
                "input": {
                    "format": audio_format,
                    "transcription": transcription,
                    "noise_reduction": None,
                    "turn_detection": self._turn_detection(),
                }
            },
            "include": [LOGPROBS] if self.logprobs else None,
        }

    def _turn_detection(self) -> dict[str, Json] | None:
        voice = self.voice_activity
        if voice is None:
            return None
        return {
            "type": "server_vad",
            "threshold": voice.threshold,
            "prefix_padding_ms": round(voice.prefix_padding_s * 1000),
            "silence_duration_ms": round(voice.silence_s * 1000),
        }


def settings_of(model_name: str | None, served: ServedModels) -> Settings:
    """What a session begins with.

    Raises:
        RequestError: there is no such model, or none for live streams.
    """
    model = streaming_model(served, model_name)
    return Settings(model, model_name or model.name)


def updated(settings: Settings, session: Any, served: ServedModels) -> Settings:
    """`settings` with what a `session.update` changes.

    Raises:
        RequestError: something of it cannot be honoured.
    """
    body = object_of(session, "session")
    for name, value in body.items():
        path = f"session.{name}"
        match name:
            case "type":
                _check_type(value, path)
            case "include":
                settings = replace(settings, logprobs=_logprobs(value, path))
            case "audio":
                settings = _with_audio(settings, value, path, served)
            case "id" | "object" | "expires_at" | "client_secret":
                pass  # Clients send back what they were shown.
            case _:
                raise unknown(path)
    return settings


def _with_audio(settings: Settings, value: Any, path: str, served: ServedModels) -> Settings:
    audio = object_of(value, path)
    for name in audio:
        if name != "input":
            raise UnsupportedOptionError(f"{path}.{name}", "a transcription session has input only")
    path = f"{path}.input"
    for name, part in object_of(audio.get("input", {}), path).items():
        place = f"{path}.{name}"
        match name:
            case "format":
                settings = _with_format(settings, part, place)
            case "transcription":
                settings = _with_transcription(settings, part, place, served)
            case "turn_detection":
                settings = _with_turns(settings, part, place)
            case "noise_reduction":
                if part is not None:
                    raise UnsupportedOptionError(place, "no noise is reduced here: only null")
            case _:
                raise unknown(place)
    return settings


def _check_type(value: Any, path: str) -> None:
    if value == "realtime":
        raise UnsupportedOptionError(path, "only `transcription`: this server does not converse")
    if value != "transcription":
        raise InvalidOptionError(path, f"{shown(str(value))} is not `transcription`")


def _logprobs(value: Any, path: str) -> bool:
    wanted = [] if value is None else value
    if not isinstance(wanted, list):
        raise InvalidOptionError(path, "is no list")
    for name in wanted:
        if name != LOGPROBS:
            raise InvalidOptionError(path, f"{shown(str(name))} is not `{LOGPROBS}`")
    return bool(wanted)


def _with_format(settings: Settings, value: Any, path: str) -> Settings:
    if value is None:
        return replace(settings, format_name="audio/pcm", rate_hz=_PCM_RATE_HZ)
    body = object_of(value, path)
    check_names(body, ("type", "rate"), path)
    name = body.get("type", settings.format_name)
    if not isinstance(name, str) or name not in _ENCODINGS:
        raise InvalidOptionError(
            f"{path}.type", f"{shown(str(name))} is not one of: {', '.join(_ENCODINGS)}"
        )
    is_pcm = name == "audio/pcm"
    rate_hz = body.get("rate")
    if rate_hz is None:
        rate_hz = _PCM_RATE_HZ if is_pcm else _TELEPHONE_RATE_HZ
    if rate_hz not in (PACKET_RATES_HZ if is_pcm else (_TELEPHONE_RATE_HZ,)):
        raise UnsupportedOptionError(f"{path}.rate", f"{shown(str(rate_hz))} Hz is not taken")
    return replace(settings, format_name=name, rate_hz=int(rate_hz))


def _with_transcription(
    settings: Settings, value: Any, path: str, served: ServedModels
) -> Settings:
    if value is None:
        return replace(settings, transcribes=False)
    body = object_of(value, path)
    settings = replace(settings, transcribes=True)
    if body.get("model") is not None:
        named = settings_of(text_of(body["model"], f"{path}.model"), served)
        settings = replace(settings, model=named.model, model_name=named.model_name)
        if settings.language not in {None, *settings.model.languages}:
            settings = replace(settings, language=None)
    for name, part in body.items():
        place = f"{path}.{name}"
        match name:
            case "model":
                pass
            case "language":
                language = text_of(part, place) if part is not None else ""
                settings = replace(settings, language=_language(settings, language))
            case "languages":
                settings = replace(settings, language=_only_language(settings, part, place))
            case "prompt" | "keywords" | "delay":
                if part:
                    raise UnsupportedOptionError(place, "no served model takes it")
            case _:
                raise unknown(place)
    return settings


def _language(settings: Settings, language: str) -> str | None:
    return language_of(settings.model, language or None)


def _only_language(settings: Settings, value: Any, path: str) -> str | None:
    if value is not None and not isinstance(value, list):
        raise InvalidOptionError(path, "is no list")
    if not value:
        return settings.language
    if len(value) > 1:
        raise UnsupportedOptionError(path, "one language at most; without any the model finds out")
    return _language(settings, text_of(value[0], path))


def _with_turns(settings: Settings, value: Any, path: str) -> Settings:
    if value is None:
        return replace(settings, voice_activity=None)
    body = object_of(value, path)
    kind = body.get("type", "server_vad")
    if kind != "server_vad":
        raise UnsupportedOptionError(
            f"{path}.type", f"{shown(str(kind))} is not `server_vad`, nor is null given"
        )
    voice = settings.voice_activity or _SERVER_VAD
    for name, part in body.items():
        place = f"{path}.{name}"
        if name == "type" or name in _NO_RESPONSES or part is None:
            continue
        match name:
            case "threshold":
                voice = replace(voice, threshold=number_of(part, place, 1.0))
            case "prefix_padding_ms":
                padding_s = number_of(part, place, _MAX_PADDING_MS) / 1000
                voice = replace(voice, prefix_padding_s=padding_s)
            case "silence_duration_ms":
                silence_s = number_of(part, place, _MAX_SILENCE_MS) / 1000
                voice = replace(voice, silence_s=silence_s)
            case "idle_timeout_ms":
                raise UnsupportedOptionError(place, "there is no answer to wait after")
            case _:
                raise unknown(place)
    return replace(settings, voice_activity=voice)
