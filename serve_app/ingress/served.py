"""What a client calls a model or a language, in; what the server calls it, out.

The configuration says what is served, so the answer needs no model to be up.
"""

from collections.abc import Mapping

from serve_app.config import ModelConfig, ServerConfig
from serve_app.errors import UnknownModelError, UnsupportedLanguageError
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

    def named(self, name: str | None) -> ModelConfig:
        """
        Raises:
            UnknownModelError: no model has this name; the error lists those that there are.
        """
        if name is None:
            return self.default
        if name in self._by_name:
            return self._by_name[name]
        if name in OPENAI_NAMES:
            return self.default
        raise UnknownModelError(name[:100], tuple(self._by_name))

    def languages(self) -> Mapping[str, str]:
        """Code → English name, of all languages of all models."""
        codes = sorted({code for model in self.models for code in model.languages})
        return {code: NAMES.get(code, code) for code in codes}


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
