"""The configuration, as one frozen tree: what stands under `args:` in a file of `configs/`.

Inert: nothing here reads a file, an environment or a clock. Unknown keys are errors. `app.build`
reads the tree once; below it there are only plain values.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    StrictBool,
    ValidationInfo,
    field_validator,
    model_validator,
)

from serve_app import catalogue

Task: TypeAlias = Literal["transcribe", "translate"]
"""What is asked of a model: text in the language that is spoken, or in another."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
"""As browsers send it: RFC 6454 §6.2."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields[str(info.field_name)]
        if isinstance(value, bool) and field.annotation in (int, float):
            raise ValueError(f"{str(value).lower()} is no number")
        return value


def _origin(value: str) -> str:
    if value != "*" and not _ORIGIN.fullmatch(value):
        raise ValueError(f"{value!r} is no origin: `*`, or scheme://host[:port] in lower case")
    return value


class BatchConfig(_Settings):
    """How a model's queue is cut into batches; `user_config: {batch: {...}}` changes it live."""

    max_batch_audio_s: PositiveFloat = 480.0
    """Padded seconds in one batch: longest chunk × number of chunks. A longer chunk runs alone."""
    max_batch_size: PositiveInt = 64
    """Chunks in one batch, whatever they weigh."""
    max_queued_audio_s: PositiveFloat = 3600.0
    """Audio that may wait in front of one replica; beyond it, callers hear "at capacity"."""


class SimulatedConfig(_Settings):
    """The cost curve of the simulated engine, which sleeps and uses no CPU.

    The defaults are those of a 0.6 B-parameter transducer on a large GPU.
    """

    fixed_s: NonNegativeFloat = 0.014
    """Seconds that a batch takes, however little is in it."""
    per_audio_s: NonNegativeFloat = 85e-6
    """Seconds more for each padded audio second in it."""


_OF_A_CHECKPOINT = (
    "checkpoint", "sha256", "catalogue", "device", "precision", "num_threads", "cuda_graphs",
)  # fmt: skip
_OF_A_CHOICE = ("beam_size", "fallback_language", "min_language_probability")
_MEANINGLESS: Mapping[str, tuple[str, ...]] = {
    "parakeet": (*_OF_A_CHOICE, "simulated"),
    "canary": ("cuda_graphs", "simulated"),
    "simulated": (*_OF_A_CHECKPOINT, *_OF_A_CHOICE),
}
"""What a kind of model has no use for: setting it is an error, not ignored."""


class ModelConfig(_Settings):
    """One served model. Its deployment carries its name, so that Serve's own options
    (`autoscaling_config`, `ray_actor_options`, `max_ongoing_requests`, `user_config`) stand
    under `deployments:` in the same file."""

    name: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]*$")
    """What clients ask for, and the name of the deployment."""
    kind: Literal["parakeet", "canary", "simulated"]
    """`parakeet` is any NeMo transducer or CTC model, `canary` any NeMo multitask model (it also
    translates); `simulated` needs no weights at all."""
    checkpoint: str | None = None
    """Path of a `.nemo` file (relative: from the project's root), or a hub name (`nvidia/…`)."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Of the checkpoint file; another content is refused."""
    catalogue: str | None = None
    """The entry of `catalogue.py` that a `.nemo` file is; a known hub name needs none. The entry
    gives the defaults of `languages`, `pivot_language`, `licence` and `attribution`."""
    aliases: tuple[Annotated[str, Field(pattern=r"^\S+$")], ...] = ()
    """Further names that clients may use."""
    languages: tuple[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")], ...] = Field(
        default=("en",), min_length=1
    )
    """ISO 639-1 codes that the checkpoint recognises (ISO 639-3 where there is none)."""
    pivot_language: str | None = None
    """Translation goes from it to the other languages and back; None: the model translates not."""
    licence: str | None = None
    """Of the weights; told at `/v1/models` and at start-up."""
    attribution: str | None = None
    """What the licence wants users to be shown; told in the same places."""
    fallback_language: str | None = None
    """Taken where a client names no language and the model is not sure; the first if not set."""
    min_language_probability: float = Field(default=0.5, ge=0, le=1)
    """What the model must give the language that it hears, or the fall-back is taken."""
    beam_size: PositiveInt = 1
    """Of `canary`'s decoder; 1 is greedy."""
    device: Literal["auto", "cuda", "cpu"] = "auto"
    """`auto` takes a GPU where the replica was given one."""
    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    """Of the weights and the arithmetic; on a CPU only float32 is fast."""
    num_threads: PositiveInt = 1
    """Threads of the model on a CPU."""
    max_chunk_s: PositiveFloat = Field(default=30.0, le=60.0)
    """Longest stretch that the model gets at once; longer recordings are cut at silence."""
    cuda_graphs: StrictBool = True
    """Record the decoder's loop as a CUDA graph, where there is a GPU."""
    batch: BatchConfig = BatchConfig()
    simulated: SimulatedConfig = SimulatedConfig()
    """Of a model of kind `simulated` only."""

    @field_validator("languages")
    @classmethod
    def _languages_are_one_each(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        for code in languages:
            if languages.count(code) > 1:
                raise ValueError(f"{code!r} stands twice")
        return languages

    @model_validator(mode="before")
    @classmethod
    def _default_from_the_catalogue(cls, values: Any) -> Any:
        """Fill in what the catalogue knows of the checkpoint and the configuration leaves open."""
        if not isinstance(values, Mapping):
            return values
        named = values.get("catalogue")
        entry = (
            catalogue.CATALOGUE.get(named) if named else catalogue.find(values.get("checkpoint"))
        )
        if entry is None:
            if named:
                raise ValueError(
                    f"catalogue: {named!r} is none of {', '.join(catalogue.CATALOGUE)}"
                )
            return values
        if not entry.is_served:
            raise ValueError(f"{entry.name} is known, but this server cannot run it")
        if values.get("kind") not in {None, entry.kind}:
            raise ValueError(f"{entry.name} is of kind {entry.kind!r}")
        names = ("languages", "pivot_language", "licence", "attribution")
        known = {name: getattr(entry, name) for name in names}
        strange = [code for code in values.get("languages", ()) if code not in entry.languages]
        if strange:
            raise ValueError(f"languages: {entry.name} does not know {', '.join(strange)}")
        if known["pivot_language"] not in values.get("languages", known["languages"]):
            known["pivot_language"] = None  # nothing is left to translate from or to it
        return {**known, **values}

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        for name in _MEANINGLESS[self.kind]:
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"`{name}` has no meaning for a model of kind {self.kind!r}")
        if self.kind != "simulated" and not self.checkpoint:
            raise ValueError(f"a model of kind {self.kind!r} needs a checkpoint")
        for name in ("pivot_language", "fallback_language"):
            if getattr(self, name) not in {None, *self.languages}:
                raise ValueError(f"{name} {getattr(self, name)!r} is not among its languages")
        if self.pivot_language is not None and self.kind == "parakeet":
            raise ValueError("a model of kind 'parakeet' does not translate")
        return self

    @property
    def tasks(self) -> tuple[Task, ...]:
        return ("transcribe", "translate") if self.translations() else ("transcribe",)

    @property
    def chooses_pnc(self) -> bool:
        """Whether clients may ask for text with or without punctuation and capitals."""
        return self.kind == "canary" or (self.kind == "simulated" and bool(self.pivot_language))

    @property
    def finds_language(self) -> bool:
        """Whether the model tells what is spoken, where a client does not."""
        return self.kind == "canary" and len(self.languages) > 1

    def sources_of(self, target: str) -> tuple[str, ...]:
        """What may be spoken where the text shall be in `target`; `target` itself among them."""
        pairs = self.translations()
        return tuple(code for code in self.languages if code == target or (code, target) in pairs)

    def translations(self) -> tuple[tuple[str, str], ...]:
        """The pairs (spoken, written) that the model translates."""
        pivot = self.pivot_language
        others = [code for code in self.languages if code != pivot] if pivot else []
        return tuple((pivot or "", code) for code in others) + tuple(
            (code, pivot or "") for code in others
        )


class LimitsConfig(_Settings):
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


class PreprocessorConfig(_Settings):
    """Decoding and cutting."""

    num_decoders: PositiveInt = 3
    """Warm child processes per replica; each decodes one recording at a time. Recordings longer
    than `max_chunks_in_flight` chunks hold theirs to the end; they leave one to the others."""
    max_waiting: PositiveInt = 1024
    """Recordings that may wait for a decoder of one replica."""
    decode_timeout_s: PositiveFloat = 120.0
    """For one decoder to give its next block of audio."""
    decoder_memory_bytes: PositiveInt = 1024 * 1024 * 1024
    """Address space of one decoder; one that wants more dies, alone."""
    max_chunks_in_flight: PositiveInt = 16
    """Chunks of one recording that may be under way at once, so that it cannot starve the rest."""
    max_audio_in_flight_s: PositiveFloat = 14_400.0
    """Audio of one model that a replica may have decoded and not yet recognised, over all
    recordings, and never more than `max_queued_audio_s` for each replica of the model that
    answers; an hour is 115 MB."""


class AuthConfig(_Settings):
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


class ServerConfig(_Settings):
    """The whole server."""

    models: tuple[ModelConfig, ...] = Field(min_length=1)
    default_model: str | None = None
    """Answers to OpenAI's names and to requests that name none; the first model if not set."""
    default_translation_model: str | None = None
    """The same for translations; if not set the default model where it translates, or the first
    one that does."""
    limits: LimitsConfig = LimitsConfig()
    preprocessor: PreprocessorConfig = PreprocessorConfig()
    auth: AuthConfig = AuthConfig()
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

    @field_validator("default_model")
    @classmethod
    def _default_is_served(cls, name: str | None, info: ValidationInfo) -> str | None:
        models: tuple[ModelConfig, ...] | None = info.data.get("models")
        if models is None or name is None:  # None: the models themselves are wrong
            return name
        if not any(name in (model.name, *model.aliases) for model in models):
            raise ValueError(f"{name!r} is no served model")
        return name

    @field_validator("default_translation_model")
    @classmethod
    def _default_translates(cls, name: str | None, info: ValidationInfo) -> str | None:
        models: tuple[ModelConfig, ...] | None = info.data.get("models")
        if models is None or name is None:
            return name
        if not any(name in (m.name, *m.aliases) for m in models if "translate" in m.tasks):
            raise ValueError(f"{name!r} is no served model that translates")
        return name


def reason_of(message: str) -> str:
    """What pydantic says is wrong, without what it puts before our own words."""
    return message.removeprefix("Value error, ")
