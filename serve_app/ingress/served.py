"""What a client calls a model or a language, in; what the server calls it, out.

The configuration says what is served, so the answer needs no model to be up.
"""

from collections.abc import Iterable, Mapping, Sequence

from serve_app.config import ModelConfig, ServerConfig, Task
from serve_app.errors import (
    UnknownModelError,
    UnsupportedLanguageError,
    UnsupportedOptionError,
    UnsupportedTranslationError,
)
from serve_app.transcript.languages import NAMES, code_of

OPENAI_NAMES = frozenset(
    {
        "whisper-1",
        "gpt-4o-transcribe",
        "gpt-4o-mini-transcribe",
        "gpt-4o-mini-transcribe-2025-12-15",
        "gpt-transcribe",
    }
)
"""They mean the default model, so that a client needs no other change than its base URL.

`gpt-4o-transcribe-diarize` is missing on purpose: who asks for it wants speakers told apart.
"""
OPENAI_PREFIXES = ("gpt-", "whisper-")
"""On sockets whatever begins so means the default model: there are new ones often."""
DIARIZING_NAME = "gpt-4o-transcribe-diarize"
"""It means the default model where some model tells speakers apart, and nothing elsewhere."""
NO_DIARIZER = (
    "nobody tells speakers apart here; the server needs a model of `kind: sortformer` for that"
)


class ServedModels:
    """The models of one configuration, by every name that a client may use."""

    def __init__(self, config: ServerConfig) -> None:
        self.models = config.models
        self._by_name: dict[str, ModelConfig] = {}
        for model in config.models:
            for name in (model.name, *model.aliases):
                self._by_name[name] = model
        self.offline = config.offline_models
        self.streaming = config.streaming_models
        self.diarizer = next(iter(config.diarizers), None)
        """What tells speakers apart; None where nothing does."""
        self.default = self._default(config.default_model, self.offline)
        """For recordings; None where only live streams are taken."""
        self.default_streaming = self._default(config.default_streaming_model, self.streaming)
        """For live streams; None where none are taken."""
        self.first = self.default or config.models[0]
        """What is told of a server that has one model to be told of."""
        self.masks_profanity = config.preprocessor.profanity_file is not None
        self.translating = tuple(model for model in self.offline if "translate" in model.tasks)
        self.default_translation = self._default_translation(config.default_translation_model)

    def has(self, name: str) -> bool:
        """Whether a model is served by this very name."""
        return name in self._by_name

    def described(self, name: str) -> ModelConfig:
        """The model of this name, whatever it takes.

        Raises:
            UnknownModelError: there is none; the error lists those that there are.
        """
        known = self._known(name)
        return known or self.first

    def named(self, name: str | None, task: Task = "transcribe") -> ModelConfig:
        """The model for a recording.

        Raises:
            UnknownModelError: no model has this name; the error lists those that there are.
            UnsupportedOptionError: it takes no recordings, or does not translate; the error lists
                those that do.
        """
        model = self._known(None if name == DIARIZING_NAME and self.diarizer else name)
        if model is not None and model not in self.offline:
            raise _takes_no(model, "recordings", self.offline)
        model = model or (self.default if task == "transcribe" else self.default_translation)
        if model is None and not self.offline:
            raise UnsupportedOptionError("model", "no model for recordings is served here")
        if model is None:
            raise UnsupportedOptionError("task", "no served model translates")
        if task == "translate" and model not in self.translating:
            others = ", ".join(other.name for other in self.translating) or "none"
            raise UnsupportedOptionError(
                "model", f"{model.name} does not translate; served here that do: {others}"
            )
        return model

    def streaming_named(self, name: str | None) -> ModelConfig:
        """The model for a live stream.

        Raises:
            UnknownModelError: no model has this name; the error lists those that there are.
            UnsupportedOptionError: it takes no live streams; the error lists those that do.
        """
        model = self._known(name)
        if model is not None and model not in self.streaming:
            raise _takes_no(model, "live streams", self.streaming)
        model = model or self.default_streaming
        if model is None:
            raise UnsupportedOptionError("model", "no model for live streams is served here")
        return model

    def diarizing(self, param: str, *, wanted: bool) -> str | None:
        """The served name of what is to tell speakers apart, where that is wanted.

        Raises:
            UnsupportedOptionError: nothing does; the error says what to configure.
        """
        if not wanted:
            return None
        if self.diarizer is None:
            raise UnsupportedOptionError(param, NO_DIARIZER)
        return self.diarizer.name

    def tasks(self) -> tuple[Task, ...]:
        """All that some model does."""
        return ("transcribe", "translate") if self.translating else ("transcribe",)

    def languages(self) -> Mapping[str, str]:
        """Code → English name, of all languages of all models."""
        writing = (*self.offline, *self.streaming)
        codes = sorted({code for model in writing for code in model.languages})
        return {code: NAMES.get(code, code) for code in codes}

    def translations(self) -> Mapping[str, list[str]]:
        """Language spoken → languages that some model translates it into."""
        return targets_of(pair for model in self.models for pair in model.translations())

    def _known(self, name: str | None) -> ModelConfig | None:
        """None for no name, and for OpenAI's."""
        if name is not None and name not in self._by_name and name not in OPENAI_NAMES:
            raise UnknownModelError(name[:100], tuple(self._by_name))
        return self._by_name.get(name or "")

    def _default(self, name: str | None, models: Sequence[ModelConfig]) -> ModelConfig | None:
        if name is not None:
            return self._by_name[name]
        return models[0] if models else None

    def _default_translation(self, name: str | None) -> ModelConfig | None:
        if name is not None:
            return self._by_name[name]
        if self.default in self.translating:
            return self.default
        return self.translating[0] if self.translating else None


def _takes_no(
    model: ModelConfig, what: str, others: Sequence[ModelConfig]
) -> UnsupportedOptionError:
    names = ", ".join(other.name for other in others) or "none"
    fault = "transcribes nothing" if model.is_diarizer else f"takes no {what}"
    return UnsupportedOptionError("model", f"{model.name} {fault}; served here that do: {names}")


def targets_of(pairs: Iterable[tuple[str, str]]) -> Mapping[str, list[str]]:
    """Pairs by the language spoken, sorted, as JSON answers have them."""
    targets: dict[str, set[str]] = {}
    for spoken, written in pairs:
        targets.setdefault(spoken, set()).add(written)
    return {spoken: sorted(targets[spoken]) for spoken in sorted(targets)}


def language_of(model: ModelConfig, language: str | None) -> str | None:
    """The ISO 639-1 code of what a client named; None for no name and for `auto`.

    Raises:
        UnsupportedLanguageError: the model does not know it; the error lists what it knows.
    """
    if language is None or language.lower() == "auto":
        return None
    code = code_of(language)
    if code not in model.languages:
        raise UnsupportedLanguageError(language[:100], model.name, model.languages)
    return code


def target_of(model: ModelConfig, language: str | None, target: str) -> str:
    """The ISO 639-1 code of the language that speech in `language` is to be translated into.

    The language that is spoken is a possible target too: who asks for English gets it.

    Raises:
        UnsupportedTranslationError: the model cannot; the error lists the pairs that it can.
    """
    code = code_of(target)
    sources = model.sources_of(code)
    if not sources or language not in {None, *sources}:
        raise UnsupportedTranslationError(language, code[:100], model.name, model.translations())
    return code
