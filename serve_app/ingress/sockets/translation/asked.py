"""Two languages, a model's name, voices, in; who translates and who speaks, out."""

from collections.abc import Mapping
from dataclasses import dataclass

from serve_app.audio.voice import VoiceActivity
from serve_app.config import ModelConfig
from serve_app.errors import (
    InvalidOptionError,
    UnsupportedLanguageError,
    UnsupportedOptionError,
    UnsupportedTranslationError,
)
from serve_app.ingress.served import ServedModels
from serve_app.ingress.voices import NOBODY_SPEAKS, ServedVoice, ServedVoices
from serve_app.models.protocols import RecognitionOptions


@dataclass(frozen=True, slots=True)
class Direction:
    """From where to where: one way, or from whichever of two is spoken to the other."""

    source: str | None
    """ISO 639-1; None: the model finds it for each utterance, among all that it knows. Among those
    that can become `target` it would choose one where another is spoken, and make words up."""
    target: str
    is_auto: bool = False
    """Whether it flips by what is heard."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Of the texts."""
        return (self.source or "", self.target) if self.is_auto else (self.target,)

    @property
    def pairs(self) -> tuple[tuple[str | None, str], ...]:
        """That the model has to have."""
        there = (self.source, self.target)
        return (there, (self.target, self.source or "")) if self.is_auto else (there,)

    @property
    def mode(self) -> str:
        return "auto" if self.is_auto else f"{self.source or 'auto'}->{self.target}"

    @property
    def options(self) -> RecognitionOptions:
        """Of the translation."""
        if self.is_auto:
            return RecognitionOptions(among=self._both, crosses=True, word_times=False)
        return RecognitionOptions(
            language=self.source, target_language=self.target, word_times=False
        )

    @property
    def source_options(self) -> RecognitionOptions:
        """Of the text in the language that is spoken."""
        if self.is_auto:
            return RecognitionOptions(among=self._both, word_times=False)
        return RecognitionOptions(language=self.source, word_times=False)

    @property
    def _both(self) -> tuple[str, str]:
        return (self.source or "", self.target)


@dataclass(frozen=True, slots=True)
class AskedConversation:
    """What one conversation is to be."""

    model: ModelConfig
    direction: Direction
    voices: Mapping[str, ServedVoice]
    """By the language that they speak; empty: only texts are wanted."""
    voice_activity: VoiceActivity
    source_text: bool = False
    sample_rate_hz: int = 24_000
    """Of the sound."""
    half_duplex: bool = False
    quiet_s: float | None = None

    @property
    def is_simulated(self) -> bool:
        """Whether its words, or its sound, are made up."""
        return self.model.kind == "simulated" or any(v.simulated for v in self.voices.values())


def translating_model(served: ServedModels, name: str | None, direction: Direction) -> ModelConfig:
    """Who translates all pairs of it: the named one, or else the first of those that can, the
    default first.

    Raises:
        UnknownModelError: there is none of this name.
        UnsupportedOptionError: none translates; or a live one shall find the direction.
        UnsupportedTranslationError: it does not translate this pair; the error lists which it does.
    """
    if name is not None and served.has(name) and served.described(name) in served.streaming:
        model = served.streaming_named(name)
        if direction.is_auto or direction.source is None:
            raise UnsupportedOptionError(
                "mode", f"{model.name} translates while it hears, and must know what is spoken"
            )
    elif name is not None:
        model = served.named(name, "translate")
    else:
        able = [model for model in served.translating if _translates(model, direction)]
        default = served.named(None, "translate")
        model = default if default in able or not able else able[0]
    if not _translates(model, direction):
        source, target = next(pair for pair in direction.pairs if not _has(model, *pair))
        raise UnsupportedTranslationError(source, target, model.name, model.translations())
    if direction.is_auto and not (model.finds_language or model.kind == "simulated"):
        raise UnsupportedOptionError("mode", f"{model.name} does not find out what is spoken")
    return model


def voices_of(
    voices: ServedVoices, languages: tuple[str, ...], named: Mapping[str, str] | str | None
) -> Mapping[str, ServedVoice]:
    """Who speaks each language; `named` is one voice, or one for each language.

    Raises:
        UnsupportedOptionError: nobody speaks here.
        UnsupportedLanguageError: nobody speaks one of them.
        InvalidOptionError: nobody is called so.
    """
    if not voices.all:
        raise UnsupportedOptionError("speech", f"{NOBODY_SPEAKS}; `speech: false` gives text alone")
    if isinstance(named, str):
        voice = voices.named(named)
        is_own = voice.name == named
        if is_own and voice.language not in languages:
            raise InvalidOptionError("voice", f"{voice.name} speaks {voice.language}, not these")
        named = {voice.language: named} if is_own else dict.fromkeys(languages, named)
    chosen = named or {}
    for code in chosen:
        if code not in languages:
            raise InvalidOptionError("voice", f"nothing is said in {code[:20]!r} here")
    return {code: _voice_of(voices, code, chosen.get(code)) for code in languages}


def _voice_of(voices: ServedVoices, code: str, name: str | None) -> ServedVoice:
    if name is None:
        return voices.of_language(code)
    voice = voices.named(name)
    if voice.name == name and voice.language != code:
        raise InvalidOptionError("voice", f"{name} speaks {voice.language}, not {code}")
    return voices.named(name, code)


def checked_language(code: str, served: ServedModels, param: str) -> str:
    """
    Raises:
        UnsupportedLanguageError: no served model knows it.
    """
    known = served.languages()
    if code not in known:
        error = UnsupportedLanguageError(code[:100], "this server", tuple(known))
        error.param = param
        raise error
    return code


def _translates(model: ModelConfig, direction: Direction) -> bool:
    return all(_has(model, source, target) for source, target in direction.pairs)


def _has(model: ModelConfig, source: str | None, target: str) -> bool:
    pairs = model.translations()
    return (source, target) in pairs or (
        source is None and any(target == written for _, written in pairs)
    )
