"""One synthesizer: what stands in an entry of `synthesizers:`, and the voices that it has."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from serve_app.config.espeak import ESPEAK_LANGUAGES, speaker_of
from serve_app.config.settings import Settings

_Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]

_LICENCES: Mapping[str, str] = {"espeak": "GPL-3.0-or-later", "silero": "CC-BY-NC-4.0"}
"""Of espeak-ng itself; of the voices that Silero publishes."""
_ATTRIBUTIONS: Mapping[str, str] = {
    "espeak": "Spoken by espeak-ng, © its contributors, which runs as a process of its own.",
    "silero": "Voices by Silero.",
}
_MEANINGLESS: Mapping[str, tuple[str, ...]] = {
    "espeak": ("checkpoint", "sha256", "device", "num_threads", "simulated"),
    "silero": ("languages", "simulated"),
    "simulated": ("checkpoint", "sha256", "device", "num_threads", "licence", "attribution"),
}
"""What a kind of synthesizer has no use for: setting it is an error, not ignored."""


class VoiceConfig(Settings):
    """Somebody whom a synthesizer can sound like, in one language."""

    name: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]*$", max_length=64)
    """What clients ask for; one each over all synthesizers."""
    speaker: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]*$")
    """Who that is to the engine: of `espeak` a language and, behind `+`, a variant (`en-us+f3`;
    if not set the language alone), of `silero` one of the model's speakers."""


class SimulatedSpeechConfig(Settings):
    """The cost curve of the simulated synthesizer, which sleeps and uses no CPU."""

    fixed_s: NonNegativeFloat = 0.02
    """Seconds that a sentence takes, however short it is."""
    per_audio_s: NonNegativeFloat = 0.01
    """Seconds more for each second that it sounds."""


class SynthesizerConfig(Settings):
    """What gives texts a voice. Its deployment carries its name, as a model's does."""

    name: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]*$")
    """What clients ask for as `model`, and the name of the deployment."""
    kind: Literal["espeak", "silero", "simulated"]
    """`espeak` is espeak-ng, of Debian's package or of the extra `espeak`: GPL-3, more than 100
    languages, no download; `silero` a model of Silero's from a file (Russian and English; its own
    weights may not be used commercially); `simulated` hums and needs nothing."""
    checkpoint: str | None = None
    """Of `silero`: path of the `.pt` file (relative: from the project's root)."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Of the checkpoint, which is code: it must be set, and another content is refused."""
    device: Literal["auto", "cuda", "cpu"] = "auto"
    """`auto` takes a GPU where the replica was given one."""
    num_threads: PositiveInt = 1
    """Threads of the model on a CPU."""
    languages: tuple[_Language, ...] | None = Field(default=None, min_length=1)
    """Of `espeak` and `simulated`: what is spoken; all that espeak-ng knows if not set, or English.
    Each has a voice `NAME-LANGUAGE` (`espeak-ru`), unless `voices` says otherwise."""
    voices: Mapping[_Language, tuple[VoiceConfig, ...]] = {}
    """By language (ISO 639-1); the first of each is its default."""
    licence: str | None = None
    """Of the voices; told at `/v1/models`, `/v1/audio/voices` and at start-up."""
    attribution: str | None = None
    """What the licence wants users to be shown; told in the same places."""
    max_sentence_chars: int = Field(default=500, ge=40, le=2000)
    """A sentence that is longer is spoken in pieces."""
    timeout_s: PositiveFloat = 30.0
    """One sentence that takes longer, from when its turn has come, has failed. espeak-ng's process
    is then started anew; of other kinds a replica that goes on for four times that is replaced."""
    max_waiting: PositiveInt = 64
    """Sentences that may wait in one replica; one more hears "at capacity"."""
    simulated: SimulatedSpeechConfig = SimulatedSpeechConfig()
    """Of a synthesizer of kind `simulated` only."""

    @model_validator(mode="before")
    @classmethod
    def _default_from_the_kind(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        kind = values.get("kind")
        known = {"licence": _LICENCES.get(str(kind)), "attribution": _ATTRIBUTIONS.get(str(kind))}
        return {**{name: value for name, value in known.items() if value}, **values}

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        for name in _MEANINGLESS[self.kind]:
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"`{name}` has no meaning for a synthesizer of kind {self.kind!r}")
        if self.kind == "silero":
            self._is_a_whole_silero()
        if self.kind == "espeak":
            self._is_known_to_espeak()
        for language, voices in self.voices.items():
            if not voices:
                raise ValueError(f"voices.{language}: name one at least, or leave it out")
            if self.kind == "simulated" and any(voice.speaker for voice in voices):
                raise ValueError("`speaker` has no meaning for a synthesizer of kind 'simulated'")
        if self.languages is not None:
            strange = [code for code in self.voices if code not in self.languages]
            if strange:
                raise ValueError(f"voices: {', '.join(strange)} is not among its languages")
            if len(set(self.languages)) < len(self.languages):
                raise ValueError("languages: one stands twice")
        return self

    def _is_a_whole_silero(self) -> None:
        if not self.checkpoint or not self.sha256:
            raise ValueError(
                "a synthesizer of kind 'silero' needs a checkpoint and its sha256: it is code"
            )
        if not self.voices:
            raise ValueError("a synthesizer of kind 'silero' needs `voices`, by language")
        if any(voice.speaker is None for voices in self.voices.values() for voice in voices):
            raise ValueError("a voice of a synthesizer of kind 'silero' needs a `speaker`")

    def _is_known_to_espeak(self) -> None:
        wanted = {*(self.languages or ()), *self.voices}
        strange = sorted(wanted - set(ESPEAK_LANGUAGES))
        if strange:
            raise ValueError(f"espeak-ng has no language {', '.join(strange)}")

    def all_voices(self) -> Iterator[tuple[str, VoiceConfig]]:
        """Each voice behind its language; of a language its default first."""
        for language in self.languages or self._languages_of_its_kind():
            yield from ((language, voice) for voice in self._voices_of(language))

    def _languages_of_its_kind(self) -> tuple[str, ...]:
        if self.kind == "espeak":
            return tuple(ESPEAK_LANGUAGES)
        return tuple(self.voices) or ("en",)

    def _voices_of(self, language: str) -> tuple[VoiceConfig, ...]:
        voices = self.voices.get(language) or (VoiceConfig(name=f"{self.name}-{language}"),)
        if self.kind != "espeak":
            return voices
        plain = speaker_of(language)
        return tuple(
            voice.model_copy(update={"speaker": voice.speaker or plain}) for voice in voices
        )
