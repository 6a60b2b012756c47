"""One served model: what stands in an entry of `models:`."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    StrictBool,
    field_validator,
    model_validator,
)

from serve_app import catalogue
from serve_app.config.diarization import DiarizationConfig
from serve_app.config.settings import Settings
from serve_app.config.streaming import StreamingConfig

Task: TypeAlias = Literal["transcribe", "translate"]
"""What is asked of a model: text in the language that is spoken, or in another."""


class BatchConfig(Settings):
    """How a model's queue is cut into batches; `user_config: {batch: {...}}` changes it live."""

    max_batch_audio_s: PositiveFloat = 480.0
    """Padded seconds in one batch: longest chunk × number of chunks. A longer chunk runs alone."""
    max_batch_size: PositiveInt = 64
    """Chunks in one batch, whatever they weigh."""
    window_s: NonNegativeFloat = 1.0
    """What the model clears in so long is sorted by length at a time, two batches at least: the
    more, the less is padded."""
    max_batches_held: float = Field(default=2.0, ge=1.0, allow_inf_nan=False)
    """Full batches that one replica may hold, the one in the model included, or what it clears in
    `window_s` where that is more; the rest waits where it can still go to another replica."""
    max_queued_audio_s: PositiveFloat = 7200.0
    """Audio that a preprocessor may have decoded and not yet recognised, for each replica that
    answers; beyond it, decoding waits. In the replica itself little waits (`max_batches_held`);
    should more than this, it refuses."""


class SimulatedConfig(Settings):
    """The cost curve of the simulated engine, which sleeps and uses no CPU.

    The defaults are those of a 0.6 B-parameter transducer on a large GPU.
    """

    fixed_s: NonNegativeFloat = 0.014
    """Seconds that a batch takes, however little is in it."""
    per_audio_s: NonNegativeFloat = 85e-6
    """Seconds more for each padded audio second in it."""
    per_stream_s: NonNegativeFloat = 60e-6
    """Seconds more for each live stream in a step."""


_OF_A_CHECKPOINT = (
    "checkpoint", "sha256", "catalogue", "device", "precision", "num_threads", "cuda_graphs",
)  # fmt: skip
_OF_A_CHOICE = ("beam_size", "fallback_language", "min_language_probability")
_OF_TEXT = (
    *_OF_A_CHOICE, "languages", "pivot_language", "max_chunk_s", "cuda_graphs", "batch",
    "simulated", "streaming",
)  # fmt: skip
_MEANINGLESS: Mapping[str, tuple[str, ...]] = {
    "parakeet": (*_OF_A_CHOICE, "simulated", "diarization"),
    "canary": ("cuda_graphs", "hotword_strength", "simulated", "diarization"),
    # NeMo keeps its memory of a recording in float32
    "sortformer": (*_OF_TEXT, "precision"),
    "simulated": (*_OF_A_CHECKPOINT, *_OF_A_CHOICE, "hotword_strength"),
}
"""What a kind of model has no use for: setting it is an error, not ignored."""
_STREAMED: Mapping[str, tuple[str, ...]] = {
    "parakeet": ("cache_aware", "buffered"),
    "canary": ("alignatt", "waitk"),
    "simulated": ("cache_aware",),
}
"""The streaming methods of each kind."""


class ModelConfig(Settings):
    """One served model. Its deployment carries its name, so that Serve's own options
    (`autoscaling_config`, `ray_actor_options`, `max_ongoing_requests`, `user_config`) stand
    under `deployments:` in the same file."""

    name: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]*$")
    """What clients ask for, and the name of the deployment."""
    kind: Literal["parakeet", "canary", "sortformer", "simulated"]
    """`parakeet` is any NeMo transducer or CTC model, `canary` any NeMo multitask model (it also
    translates); `sortformer` tells speakers apart and writes no text; `simulated` needs no weights
    at all."""
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
    hotword_strength: PositiveFloat = Field(default=1.0, le=10.0)
    """Of what `hotwords` add to the score of each token, in nats, more for later ones of a phrase.
    A higher one finds more of them, also where others are said."""
    device: Literal["auto", "cuda", "cpu"] = "auto"
    """`auto` takes a GPU where the replica was given one."""
    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    """Of the weights and the arithmetic; on a CPU only float32 is fast."""
    num_threads: PositiveInt = 1
    """Threads of the model on a CPU."""
    max_chunk_s: PositiveFloat = Field(default=30.0, le=60.0)
    """Longest stretch that the model gets at once; longer recordings are cut at silence."""
    max_pause_s: PositiveFloat = 2.0
    """In such recordings: nobody speaking for longer than this ends a stretch. Large models gain
    from context; one that learnt from short recordings does best with as little."""
    cuda_graphs: StrictBool = True
    """Record the decoder's loop as a CUDA graph, where there is a GPU."""
    batch: BatchConfig = BatchConfig()
    simulated: SimulatedConfig = SimulatedConfig()
    """Of a model of kind `simulated` only."""
    streaming: StreamingConfig | None = None
    """Set, the model takes live streams instead of recordings."""
    diarization: DiarizationConfig | None = None
    """Of a model that tells speakers apart: one of kind `sortformer`, or a simulated one that has
    this. All that transcribe recordings may be asked to have their speakers told apart by it."""

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
        if self.kind == "simulated" and self.is_diarizer:
            self._writes_no_text()
        if self.kind != "simulated" and not self.checkpoint:
            raise ValueError(f"a model of kind {self.kind!r} needs a checkpoint")
        if self.streaming is not None and self.streaming.method not in _STREAMED.get(self.kind, ()):
            raise ValueError(
                f"streaming.method: a model of kind {self.kind!r} knows "
                + ", ".join(_STREAMED[self.kind])
            )
        for name in ("pivot_language", "fallback_language"):
            if getattr(self, name) not in {None, *self.languages}:
                raise ValueError(f"{name} {getattr(self, name)!r} is not among its languages")
        if self.pivot_language is not None and self.kind == "parakeet":
            raise ValueError("a model of kind 'parakeet' does not translate")
        return self

    def _writes_no_text(self) -> None:
        for name in _OF_TEXT:
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"`{name}` has no meaning for a model with `diarization`")

    @property
    def is_diarizer(self) -> bool:
        """Whether it tells speakers apart, and transcribes nothing."""
        return self.kind == "sortformer" or self.diarization is not None

    @property
    def tasks(self) -> tuple[Task, ...]:
        if self.is_diarizer:
            return ()
        return ("transcribe", "translate") if self.translations() else ("transcribe",)

    @property
    def chooses_pnc(self) -> bool:
        """Whether clients may ask for text with or without punctuation and capitals."""
        return self.kind == "canary" or (self.kind == "simulated" and bool(self.pivot_language))

    @property
    def takes_hotwords(self) -> bool:
        """Whether it can lean towards words that a client says are likely."""
        return self.kind == "parakeet" and self.streaming is None

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
