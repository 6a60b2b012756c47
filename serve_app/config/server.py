"""The whole server: what stands under `args:`."""

import re
from typing import Annotated

from pydantic import (
    AfterValidator,
    Field,
    PositiveFloat,
    PositiveInt,
    StrictBool,
    ValidationInfo,
    field_validator,
)

from serve_app.config.jobs import JobsConfig
from serve_app.config.models import ModelConfig
from serve_app.config.settings import Settings
from serve_app.config.streaming import StreamsConfig
from serve_app.config.synthesis import SynthesizerConfig
from serve_app.config.translation import TranslationConfig

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
"""As browsers send it: RFC 6454 §6.2."""


def _origin(value: str) -> str:
    if value != "*" and not _ORIGIN.fullmatch(value):
        raise ValueError(f"{value!r} is no origin: `*`, or scheme://host[:port] in lower case")
    return value


def _is_offline(model: ModelConfig) -> bool:
    return model.streaming is None and not model.is_diarizer


class LimitsConfig(Settings):
    """What one client may cost."""

    max_upload_bytes: PositiveInt = 100 * 1024 * 1024
    """Checked while the upload is read."""
    max_audio_s: PositiveFloat = 4 * 3600.0
    """Checked while the upload is decoded."""
    request_timeout_s: PositiveFloat = 600.0
    """From the last byte of the upload to the last byte of the answer."""
    upload_timeout_s: PositiveFloat = 120.0
    """For the whole upload to arrive."""
    upload_stall_s: PositiveFloat = 15.0
    """For the next piece of an upload to arrive."""
    min_upload_bytes_per_s: PositiveFloat = 2048.0
    """Of an upload, on average after its first `upload_stall_s`: as much as lean speech codecs
    need to keep pace."""
    max_speech_chars: PositiveInt = 4096
    """Of one text that is to be spoken; OpenAI's own bound."""
    max_wait_s: PositiveFloat = 60.0
    """A request that would wait longer for its turn, as far as can be predicted, hears "at
    capacity" at once; never more than half of `request_timeout_s` is waited."""
    max_upload_memory_bytes: PositiveInt = 1024 * 1024 * 1024
    """Of all uploads that one ingress replica holds, from their first byte to the last byte of
    their answers. One upload is taken when nothing is held, whatever it weighs."""
    max_concurrent_requests: PositiveInt = 1024
    """Uploads and sockets in one ingress replica; one more hears "at capacity" at once."""
    retry_after_s: PositiveFloat = 2.0
    """What a refused client is told to wait."""


class PreprocessorConfig(Settings):
    """Decoding and cutting."""

    num_decoders: PositiveInt = 3
    """Warm child processes per replica; each decodes one recording at a time. Recordings longer
    than `max_chunks_in_flight` chunks hold theirs to the end; they leave one to the others, and
    jobs one more to them."""
    max_waiting: PositiveInt = 1024
    """Recordings that may wait for a decoder of one replica."""
    decode_timeout_s: PositiveFloat = 120.0
    """For one decoder to give its next block of audio."""
    decoder_memory_bytes: PositiveInt = 1024 * 1024 * 1024
    """Address space of one decoder; one that wants more dies, alone."""
    max_chunks_in_flight: PositiveInt = 16
    """Chunks of one recording that may be under way at once, for each replica of the model that
    answers, so that it cannot starve the rest. Of short chunks, as many as weigh the same."""
    max_audio_in_flight_s: PositiveFloat = 14_400.0
    """Audio of one model that a replica may have decoded and not yet recognised, over all
    recordings, and never more than `max_queued_audio_s` for each replica of the model that
    answers; an hour is 115 MB."""
    profanity_file: Annotated[str, Field(min_length=1)] | None = None
    """The words and phrases that `profanity_filter` masks: UTF-8, one a line, `#` begins a comment.
    Relative: from the project's root. Every node with a preprocessor needs it."""


class AuthConfig(Settings):
    """Who may ask. Without a `keys_file` everybody may."""

    keys_file: Annotated[str, Field(min_length=1)] | None = None
    """The API keys and the limits of each, as `chorus keys` writes them; read again when it
    changes. Relative: from the project's root. Every node with an ingress needs it."""
    metrics_need_key: StrictBool = True
    """Whether `/metrics` is closed to who has no key."""
    secret_file: Annotated[str, Field(min_length=1)] | None = None
    """What client secrets are signed with: a line each, the first signs, all verify. Otherwise
    `CHORUS_SIGNING_SECRET` of the ingress' environment; without either there are none."""
    audit: StrictBool = False
    """A line for each request on the logger `chorus.audit`; always, where keys are asked for."""


class ServerConfig(Settings):
    """The whole server."""

    models: tuple[ModelConfig, ...] = Field(min_length=1)
    default_model: str | None = None
    """Answers to OpenAI's names and to requests that name none; the first model for recordings if
    not set."""
    default_translation_model: str | None = None
    """The same for translations; if not set the default model where it translates, or the first
    one that does."""
    default_streaming_model: str | None = None
    """The same for live streams; if not set the first model that takes them."""
    synthesizers: tuple[SynthesizerConfig, ...] = ()
    """What gives texts a voice. Of a language the first that has one for it speaks."""
    default_voice: str | None = None
    """Speaks for OpenAI's names of voices, where neither a language nor the text's script asks for
    another; if not set the first English one, or else the first."""
    limits: LimitsConfig = LimitsConfig()
    streams: StreamsConfig = StreamsConfig()
    translation: TranslationConfig = TranslationConfig()
    preprocessor: PreprocessorConfig = PreprocessorConfig()
    auth: AuthConfig = AuthConfig()
    jobs: JobsConfig | None = None
    """Set, transcription jobs are taken, and the deployment `Jobs` works on them."""
    cors_origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = ()
    """Origins (`https://app.example`) whose pages may call the server; `*` for all. Pages of the
    server's own host may always open WebSockets."""
    metrics_port: PositiveInt = Field(default=8090, le=65535)
    """Where Ray exports the metrics of a node; the ingress relays them at `/metrics`."""

    @field_validator("models")
    @classmethod
    def _names_are_one_each(cls, models: tuple[ModelConfig, ...]) -> tuple[ModelConfig, ...]:
        names = [name for model in models for name in (model.name, *model.aliases)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the name {name!r} is given to two models, or twice to one")
        return models

    @field_validator("models")
    @classmethod
    def _diarizers_have_company(cls, models: tuple[ModelConfig, ...]) -> tuple[ModelConfig, ...]:
        offline = [model for model in models if _is_offline(model)]
        for model in models:
            if model.is_diarizer and not offline:
                raise ValueError(
                    f"{model.name} tells the speakers of recordings apart, and no model here "
                    "transcribes recordings"
                )
            if model.is_diarizer and model.kind == "simulated":
                real = [other.name for other in offline if other.kind != "simulated"]
                if real:
                    raise ValueError(
                        f"{model.name} makes its speakers up; {real[0]} would not say so"
                    )
        return models

    @field_validator("default_model")
    @classmethod
    def _default_is_served(cls, name: str | None, info: ValidationInfo) -> str | None:
        models: tuple[ModelConfig, ...] | None = info.data.get("models")
        if models is None or name is None:  # None: the models themselves are wrong
            return name
        if not any(name in (m.name, *m.aliases) for m in models if _is_offline(m)):
            raise ValueError(f"{name!r} is no served model for recordings")
        return name

    @field_validator("default_streaming_model")
    @classmethod
    def _default_streams(cls, name: str | None, info: ValidationInfo) -> str | None:
        models: tuple[ModelConfig, ...] | None = info.data.get("models")
        if models is None or name is None:
            return name
        if not any(name in (m.name, *m.aliases) for m in models if m.streaming is not None):
            raise ValueError(f"{name!r} is no served model that takes live streams")
        return name

    @field_validator("default_translation_model")
    @classmethod
    def _default_translates(cls, name: str | None, info: ValidationInfo) -> str | None:
        models: tuple[ModelConfig, ...] | None = info.data.get("models")
        if models is None or name is None:
            return name
        translating = (m for m in models if "translate" in m.tasks and m.streaming is None)
        if not any(name in (m.name, *m.aliases) for m in translating):
            raise ValueError(f"{name!r} is no served model that translates recordings")
        return name

    @field_validator("synthesizers")
    @classmethod
    def _synthesizers_have_names(
        cls, synthesizers: tuple[SynthesizerConfig, ...], info: ValidationInfo
    ) -> tuple[SynthesizerConfig, ...]:
        models: tuple[ModelConfig, ...] = info.data.get("models") or ()
        taken = {name for model in models for name in (model.name, *model.aliases)}
        voices: set[str] = set()
        for synthesizer in synthesizers:
            if synthesizer.name in taken:
                raise ValueError(f"the name {synthesizer.name!r} is given twice")
            taken.add(synthesizer.name)
            for _, voice in synthesizer.all_voices():
                if voice.name in voices:
                    raise ValueError(f"the voice {voice.name!r} is named twice")
                voices.add(voice.name)
        return synthesizers

    @field_validator("default_voice")
    @classmethod
    def _default_speaks(cls, name: str | None, info: ValidationInfo) -> str | None:
        synthesizers: tuple[SynthesizerConfig, ...] | None = info.data.get("synthesizers")
        if synthesizers is None or name is None:
            return name
        if not any(name == voice.name for each in synthesizers for _, voice in each.all_voices()):
            raise ValueError(f"{name!r} is no voice of a synthesizer here")
        return name

    @property
    def offline_models(self) -> tuple[ModelConfig, ...]:
        """Those that transcribe recordings."""
        return tuple(model for model in self.models if _is_offline(model))

    @property
    def diarizers(self) -> tuple[ModelConfig, ...]:
        """Those that tell the speakers of recordings apart; the first is the one that is used."""
        return tuple(model for model in self.models if model.is_diarizer)

    @property
    def streaming_models(self) -> tuple[ModelConfig, ...]:
        """Those for live streams."""
        return tuple(model for model in self.models if model.streaming is not None)
