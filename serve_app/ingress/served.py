"""What a client calls a model or a language, in; what the server calls it, out.

The configuration says what is served, so the answer needs no model to be up.
"""

from collections.abc import Iterable, Mapping

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


class ServedModels:
    """The models of one configuration, by every name that a client may use."""

    def __init__(self, config: ServerConfig) -> None:
        self.models = config.models
        self._by_name: dict[str, ModelConfig] = {}
        for model in config.models:
            for name in (model.name, *model.aliases):
                self._by_name[name] = model
        self.default = self._by_name[config.default_model or config.models[0].name]
        self.translating = tuple(model for model in config.models if "translate" in model.tasks)
        self.default_translation = self._default_translation(config.default_translation_model)

    def named(self, name: str | None, task: Task = "transcribe") -> ModelConfig:
        """
        Raises:
            UnknownModelError: no model has this name; the error lists those that there are.
            UnsupportedOptionError: it does not translate; the error lists those that do.
        """
        if name is not None and name not in self._by_name and name not in OPENAI_NAMES:
            raise UnknownModelError(name[:100], tuple(self._by_name))
        model = self._by_name.get(name or "")
        if task == "transcribe":
            return model or self.default
        model = model or self.default_translation
        if model is None:
            raise UnsupportedOptionError("task", "no served model translates")
        if model not in self.translating:
            others = ", ".join(other.name for other in self.translating) or "none"
            raise UnsupportedOptionError(
                "model", f"{model.name} does not translate; served here that do: {others}"
            )
        return model

    def tasks(self) -> tuple[Task, ...]:
        """All that some model does."""
        return ("transcribe", "translate") if self.translating else ("transcribe",)

    def languages(self) -> Mapping[str, str]:
        """Code → English name, of all languages of all models."""
        codes = sorted({code for model in self.models for code in model.languages})
        return {code: NAMES.get(code, code) for code in codes}

    def translations(self) -> Mapping[str, list[str]]:
        """Language spoken → languages that some model translates it into."""
        return targets_of(pair for model in self.models for pair in model.translations())

    def _default_translation(self, name: str | None) -> ModelConfig | None:
        if name is not None:
            return self._by_name[name]
        if self.default in self.translating:
            return self.default
        return self.translating[0] if self.translating else None


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
