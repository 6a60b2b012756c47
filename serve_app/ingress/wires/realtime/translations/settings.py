"""The `session` of OpenAI's translation sessions: what a client sets, and how it is shown.

As in transcription sessions: what is omitted stays as it is, `null` turns off, and what cannot be
honoured is refused by name.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from serve_app.audio.voice import VoiceActivity
from serve_app.config import ModelConfig, ServerConfig
from serve_app.errors import (
    InvalidOptionError,
    UnsupportedOptionError,
    UnsupportedTranslationError,
)
from serve_app.ingress.forms import shown
from serve_app.ingress.served import OPENAI_PREFIXES, ServedModels
from serve_app.ingress.sockets.translation.asked import (
    AskedConversation,
    Direction,
)
from serve_app.ingress.voices import ServedVoices
from serve_app.ingress.wires.realtime.bodies import object_of, text_of, unknown
from serve_app.transcript.languages import code_of
from serve_app.transcript.render import Json

RATE_HZ = 24_000
"""Of the sound, both ways; the protocol has no other."""
_DEFAULT_LANGUAGE = "en"
"""Of the translation, where a client names none and the model has it."""


@dataclass(frozen=True, slots=True)
class Translating:
    """What is served: where sessions get their models and voices from."""

    config: ServerConfig
    served: ServedModels
    voices: ServedVoices

    @classmethod
    def of(cls, config: ServerConfig) -> "Translating":
        return cls(config, ServedModels(config), ServedVoices(config))


@dataclass(frozen=True, slots=True)
class Settings:
    """A session as it is set now."""

    model: ModelConfig
    model_name: str
    """As the client calls it."""
    language: str
    """ISO 639-1, of the translation."""
    transcription_model: str | None = None
    """As the client calls it; None: the text of what was said is not wanted."""

    def asked(self, served: Translating) -> AskedConversation:
        """Without sound where nobody speaks the language: the protocol does without."""
        spoken = {self.language} & set(served.voices.languages)
        streams = served.config.streams
        return AskedConversation(
            model=self.model,
            direction=Direction(None, self.language),
            voices={code: served.voices.of_language(code) for code in spoken},
            voice_activity=VoiceActivity(streams.vad_threshold, silence_s=streams.silence_s),
            source_text=self.transcription_model is not None,
            sample_rate_hz=RATE_HZ,
        )

    def shown(self, session_id: str, expires_at: int) -> dict[str, Json]:
        """The whole session, as `session.created` and `session.updated` have it."""
        named = self.transcription_model
        return {
            "id": session_id,
            "object": "realtime.translation_session",
            "type": "translation",
            "model": self.model_name,
            "expires_at": expires_at,
            "audio": {
                "input": {
                    "transcription": None if named is None else {"model": named},
                    "noise_reduction": None,
                },
                "output": {"language": self.language},
            },
        }


def settings_of(model_name: str | None, served: Translating) -> Settings:
    """What a session begins with.

    Raises:
        RequestError: there is no such model, or it does not translate.
    """
    is_known = model_name is not None and served.served.has(model_name)
    if model_name is not None and not is_known and model_name.startswith(OPENAI_PREFIXES):
        named = None
    else:
        named = model_name
    model = served.served.named(named, "translate")
    targets = [written for _, written in model.translations()]
    language = _DEFAULT_LANGUAGE if _DEFAULT_LANGUAGE in targets else targets[0]
    return Settings(model, model_name or model.name, language)


def updated(settings: Settings, session: Any, *, is_new: bool = False) -> Settings:
    """`settings` with what a `session.update` changes; of a new session the model too is there.

    Raises:
        RequestError: something of it cannot be honoured.
    """
    for name, value in object_of(session, "session").items():
        path = f"session.{name}"
        match name:
            case "audio":
                settings = _with_audio(settings, value, path)
            case "type":
                if value != "translation":
                    raise InvalidOptionError(path, f"{shown(str(value))} is not `translation`")
            case "model":
                if not is_new and value != settings.model_name:
                    raise UnsupportedOptionError(path, "is set when the session is created")
            case "id" | "object" | "expires_at":
                pass  # Clients send back what they were shown.
            case _:
                raise unknown(path)
    return settings


def new_settings(session: Any, model_name: str | None, served: Translating) -> Settings:
    """Those that a session is created with; the model stands in it, or in the query.

    Raises:
        RequestError: something of it cannot be honoured.
    """
    body = object_of(session, "session")
    if body.get("model") is not None:
        model_name = text_of(body["model"], "session.model")
    return updated(settings_of(model_name, served), body, is_new=True)


def expiry(served: Translating) -> int:
    """When a session that begins now has had all the audio that one may have, in Unix seconds."""
    return int(time.time() + served.config.streams.max_stream_s)


def _with_audio(settings: Settings, value: Any, path: str) -> Settings:
    for name, part in object_of(value, path).items():
        place = f"{path}.{name}"
        match name:
            case "input":
                settings = _with_input(settings, object_of(part, place), place)
            case "output":
                settings = _with_output(settings, object_of(part, place), place)
            case _:
                raise unknown(place)
    return settings


def _with_input(settings: Settings, body: Mapping[str, Any], path: str) -> Settings:
    for name, part in body.items():
        place = f"{path}.{name}"
        match name:
            case "transcription":
                settings = replace(settings, transcription_model=_transcription(part, place))
            case "noise_reduction":
                if part is not None:
                    raise UnsupportedOptionError(place, "no noise is reduced here: only null")
            case _:
                raise unknown(place)
    return settings


def _transcription(value: Any, path: str) -> str | None:
    """Whatever model is named: the one that translates also writes down what was said."""
    if value is None:
        return None
    body = object_of(value, path)
    for name in body:
        if name != "model":
            raise unknown(f"{path}.{name}")
    return text_of(body.get("model", ""), f"{path}.model")


def _with_output(settings: Settings, body: Mapping[str, Any], path: str) -> Settings:
    for name, part in body.items():
        place = f"{path}.{name}"
        if name != "language":
            raise unknown(place)
        language = code_of(text_of(part, place))
        _check_target(settings.model, language, place)
        settings = replace(settings, language=language)
    return settings


def _check_target(model: ModelConfig, language: str, path: str) -> None:
    """
    Raises:
        UnsupportedTranslationError: the model does not translate into it.
    """
    if not any(language == written for _, written in model.translations()):
        pairs = model.translations()
        error = UnsupportedTranslationError(None, language[:100], model.name, pairs)
        error.param = path
        raise error
