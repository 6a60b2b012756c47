"""The fields of a stream as `/asr` and `/` have them, in; the model and its options, out."""

from collections.abc import Mapping
from dataclasses import dataclass

from serve_app.audio.voice import VoiceActivity
from serve_app.audio.waveform import SAMPLE_RATE_HZ
from serve_app.config import ModelConfig, StreamsConfig
from serve_app.errors import InvalidOptionError, UnsupportedOptionError
from serve_app.ingress.forms import shown
from serve_app.ingress.served import OPENAI_PREFIXES, ServedModels, language_of, target_of
from serve_app.ingress.sockets.transcription.resume import Resumption, resumption_of
from serve_app.models.protocols import StreamOptions
from serve_app.transcript.languages import code_of

FIELDS = ("language", "target_language", "pnc", "model", "resume")
_DEFAULT_LANGUAGE = "en"
"""Where the model knows it; else the model finds out."""
_REFUSED_NAMES = frozenset({"gpt-4o-transcribe-diarize"})
"""Who asks for it wants speakers told apart."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What one stream is to do."""

    model: ModelConfig
    options: StreamOptions
    voice_activity: VoiceActivity | None
    offset_s: float = 0.0
    """Where in the audio a stream that is resumed begins."""
    resumes: bool = False
    """Whether the client wants tokens to resume by."""
    fields: Mapping[str, str] | None = None
    """What a token has to carry."""

    @property
    def is_simulated(self) -> bool:
        """Whether its words are made up."""
        return self.model.kind == "simulated"

    def token(self, at_s: float) -> str:
        """To resume at `at_s`."""
        return Resumption(round(at_s * SAMPLE_RATE_HZ), dict(self.fields or {})).token()


def streaming_model(
    served: ServedModels, name: str | None, *, translates: bool = False
) -> ModelConfig:
    """Any of OpenAI's names means the default model, as no name does: there are new ones often.

    Raises:
        UnknownModelError: no model has this name.
        UnsupportedOptionError: it takes no live streams.
    """
    if name is not None and name not in _REFUSED_NAMES and name.startswith(OPENAI_PREFIXES):
        name = name if served.has(name) else None
    if name is None and translates:
        default = served.default_streaming
        able = [model for model in served.streaming if "translate" in model.tasks]
        if able and default not in able:
            return able[0]
    return served.streaming_named(name)


def asked_of(fields: Mapping[str, str], served: ServedModels, streams: StreamsConfig) -> Asked:
    """
    Raises:
        RequestError: a field is unknown, or has a value that nobody, or not this model, can honour.
        AudioTooLongError: it resumes a stream that has had all that one may have.
    """
    for name in fields:
        if name not in FIELDS:
            raise InvalidOptionError(name[:100], f"no such field; there are: {', '.join(FIELDS)}")
    token = fields.get("resume")
    resumption = Resumption(0, {})
    if token:
        resumption = resumption_of(token, max_stream_s=streams.max_stream_s)
    own = {name: value for name, value in fields.items() if name != "resume" and value}
    merged = {
        **{name: resumption.fields[name] for name in FIELDS if name in resumption.fields},
        **own,
    }
    model, options = _options(merged, served, streams)
    voice_activity = VoiceActivity(streams.vad_threshold, silence_s=streams.silence_s)
    return Asked(model, options, voice_activity, resumption.offset_s, token is not None, merged)


def _options(
    fields: Mapping[str, str], served: ServedModels, streams: StreamsConfig
) -> tuple[ModelConfig, StreamOptions]:
    named, target = fields.get("language"), fields.get("target_language")
    crosses = target is not None and (named is None or code_of(target) != code_of(named))
    model = streaming_model(served, fields.get("model"), translates=crosses)
    language = language_of(model, named)
    if named is None and _DEFAULT_LANGUAGE in model.languages:
        language = _DEFAULT_LANGUAGE
    target_language = None
    if target is not None and code_of(target) != language:
        target_language = target_of(model, language, target)
    return model, StreamOptions(
        language=language,
        target_language=target_language,
        pnc=_pnc(fields.get("pnc"), model),
        blank_s=streams.blank_s,
    )


def _pnc(value: str | None, model: ModelConfig) -> bool:
    """Clients say `true` whatever the model is; it writes as it learnt to, which is with."""
    if value is None or value.lower() in ("true", "1"):
        return True
    if value.lower() not in ("false", "0"):
        raise InvalidOptionError("pnc", f"{shown(value)} is neither true nor false")
    if not model.chooses_pnc:
        raise UnsupportedOptionError(
            "pnc", f"{model.name} writes as it learnt to, without a choice"
        )
    return False
