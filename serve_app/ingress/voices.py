"""What a client calls a voice, or a language that is to be spoken, in; who speaks it, out.

The configuration says who there is, so the answer needs no synthesizer to be up.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from serve_app.config import ServerConfig, SynthesizerConfig
from serve_app.errors import (
    InvalidOptionError,
    UnknownModelError,
    UnsupportedLanguageError,
    UnsupportedOptionError,
)
from serve_app.models.protocols import Voice
from serve_app.transcript.languages import code_of

OPENAI_VOICES = frozenset(
    {
        "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx",
        "sage", "shimmer", "verse",
    }
)  # fmt: skip
"""They mean the default voice, so that a client needs no other change than its base URL."""
OPENAI_SPEAKING = frozenset({"tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15"})
"""Names of models that mean whoever has the voice."""

SAMPLE_RATES_HZ = (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)
"""Of the sound that clients may ask for."""
NOBODY_SPEAKS = "nobody speaks here; the server needs an entry under `synthesizers` for that"
_WHOEVER = "speech synthesis here"
_CYRILLIC = range(0x400, 0x530)


@dataclass(frozen=True, slots=True)
class ServedVoice:
    """A voice, and who has it."""

    synthesizer: SynthesizerConfig
    voice: Voice

    @property
    def model(self) -> str:
        """The served name of who speaks, as `SentenceSynthesizer.synthesize` takes it."""
        return self.synthesizer.name

    @property
    def name(self) -> str:
        return self.voice.name

    @property
    def language(self) -> str:
        return self.voice.language

    @property
    def simulated(self) -> bool:
        return self.synthesizer.kind == "simulated"


class ServedVoices:
    """The voices of one configuration, by every name that a client may use."""

    def __init__(self, config: ServerConfig) -> None:
        self.synthesizers = config.synthesizers
        self.all = tuple(
            ServedVoice(synthesizer, Voice(voice.name, language))
            for synthesizer in config.synthesizers
            for language, voice in synthesizer.all_voices()
        )
        self._by_name = {each.name: each for each in self.all}
        self._of_language: dict[str, ServedVoice] = {}
        for each in self.all:
            self._of_language.setdefault(each.language, each)
        self.default = self._default(config.default_voice)
        """Who speaks for OpenAI's names; None where nobody speaks."""

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1, sorted: all that somebody speaks."""
        return tuple(sorted(self._of_language))

    def synthesizer(self, name: str) -> SynthesizerConfig | None:
        """The one of this very name."""
        return next((each for each in self.synthesizers if each.name == name), None)

    def of_language(self, language: str, model: str | None = None) -> ServedVoice:
        """The default voice of a language, of any synthesizer or of the named one.

        Raises:
            UnsupportedLanguageError: nobody speaks it; the error lists what is spoken.
        """
        code = code_of(language)
        if model is None:
            found = self._of_language.get(code)
        else:
            found = next((v for v in self.all if (v.model, v.language) == (model, code)), None)
        if found is None:
            spoken = sorted({v.language for v in self.all if model in (None, v.model)})
            raise UnsupportedLanguageError(language[:100], model or _WHOEVER, tuple(spoken))
        return found

    def named(
        self,
        name: str | None,
        language: str | None = None,
        *,
        model: str | None = None,
        text: str = "",
    ) -> ServedVoice:
        """The voice of this name. OpenAI's names, and none, mean the default one: of `language`,
        else of the language that the script of `text` gives away, else the server's.

        Raises:
            InvalidOptionError: nobody has this voice, or it speaks another language.
            UnknownModelError: no synthesizer has this name.
            UnsupportedLanguageError: nobody speaks the language.
            UnsupportedOptionError: nobody speaks at all, or not this synthesizer with this voice.
        """
        if self.default is None:
            raise UnsupportedOptionError("voice", NOBODY_SPEAKS)
        who = self._model_of(model)
        voice = self._by_name.get(name or "")
        if voice is not None:
            return self._fitting(voice, language, who)
        if name and name not in OPENAI_VOICES:
            raise InvalidOptionError(
                "voice", f"nobody is called {name[:100]!r}; GET /v1/audio/voices lists who is here"
            )
        return self._default_for(language, who, text)

    def _default_for(self, language: str | None, who: str | None, text: str) -> ServedVoice:
        assert self.default is not None, "somebody speaks"
        if language is not None:
            return self.of_language(language, who)
        given_away = self._language_of_script(text, self.default.language)
        if given_away is not None:
            return self.of_language(given_away, who)
        if who in (None, self.default.model):
            return self.default
        own = [voice for voice in self.all if voice.model == who]
        return next((voice for voice in own if voice.language == self.default.language), own[0])

    def _fitting(self, voice: ServedVoice, language: str | None, who: str | None) -> ServedVoice:
        if who not in (None, voice.model):
            raise UnsupportedOptionError("voice", f"{voice.name} is a voice of {voice.model}")
        if language is not None and code_of(language) != voice.language:
            raise InvalidOptionError("language", f"{voice.name} speaks {voice.language}")
        return voice

    def _model_of(self, name: str | None) -> str | None:
        """None for no name, and for OpenAI's."""
        if name is None or self.synthesizer(name) is not None:
            return name
        if name in OPENAI_SPEAKING:
            return None
        raise UnknownModelError(name[:100], tuple(each.name for each in self.synthesizers))

    def _language_of_script(self, text: str, default: str) -> str | None:
        """Russian, where more letters are Cyrillic than not and the default would not read them:
        one rule, for the script that most often meets a voice that cannot."""
        letters = [letter for letter in text if letter.isalpha()]
        num_cyrillic = sum(ord(letter) in _CYRILLIC for letter in letters)
        if 2 * num_cyrillic <= len(letters) or default in _CYRILLIC_LANGUAGES:
            return None
        return "ru" if "ru" in self._of_language else None

    def _default(self, name: str | None) -> ServedVoice | None:
        if name is not None:
            return self._by_name[name]
        return self._of_language.get("en") or (self.all[0] if self.all else None)


_CYRILLIC_LANGUAGES = frozenset({"ba", "be", "bg", "cv", "kk", "ky", "mk", "ru", "sr", "tt", "uk"})


def voices_of(voices: ServedVoices) -> Mapping[str, list[ServedVoice]]:
    """By language, sorted."""
    found: dict[str, list[ServedVoice]] = {language: [] for language in voices.languages}
    for voice in voices.all:
        found[voice.language].append(voice)
    return found
