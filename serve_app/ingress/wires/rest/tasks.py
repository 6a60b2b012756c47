"""The fields that say what becomes of speech, in; the model and the options that do it, out.

Recognition or translation, between which languages, with or without punctuation, with which hot
words, written how: the same fields on every REST wire.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from serve_app.config import ModelConfig, Task
from serve_app.errors import InvalidOptionError, UnsupportedOptionError
from serve_app.ingress.forms import Form
from serve_app.ingress.served import ServedModels, language_of, target_of
from serve_app.ingress.wires.rest import words
from serve_app.ingress.wires.rest.answers import Schema
from serve_app.models.protocols import RecognitionOptions
from serve_app.pipelines.transcription import Wording
from serve_app.transcript.languages import code_of

TASKS: Mapping[str, Task] = {
    "transcribe": "transcribe",
    "asr": "transcribe",
    "translate": "translate",
    "ast": "translate",
    "s2t": "translate",
    "s2t_translation": "translate",
}
"""Every name that clients have for a task: OpenAI's, NeMo's manifests', Canary's."""

_TARGET_LANGUAGE = "en"
"""Of a translation that names none: what OpenAI's endpoint translates into."""

_TEXT = {"type": "string"}
_LANGUAGE = "ISO 639-1, BCP-47 or English name"

FIELDS: Mapping[str, Schema] = {
    "task": {
        **_TEXT,
        "enum": list(TASKS),
        "description": "What becomes of the speech; the endpoint's own task if not given.",
    },
    "language": {**_TEXT, "description": f"What is spoken: {_LANGUAGE}; `auto` to find out."},
    "source_language": {**_TEXT, "description": "As `language`."},
    "target_language": {
        **_TEXT,
        "description": f"Of the text: {_LANGUAGE}. Another than is spoken asks to translate; "
        f"translations are into `{_TARGET_LANGUAGE}` if not given.",
    },
    "pnc": {
        "type": "boolean",
        "description": "Text with punctuation and capitals, or without, by models that choose.",
    },
    **words.FIELDS,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Which model is to do what."""

    model: ModelConfig
    task: Task
    language: str | None
    target_language: str | None
    pnc: bool
    hotwords: tuple[str, ...]
    wording: Wording

    def options(self, *, word_times: bool, logprobs: bool = False) -> RecognitionOptions:
        """The options of each chunk. A translation has no words to time: they were never said."""
        return RecognitionOptions(
            language=self.language,
            target_language=self.target_language,
            pnc=self.pnc,
            word_times=word_times and self.task == "transcribe",
            logprobs=logprobs,
            hotwords=self.hotwords,
        )


def asked_of(form: Form, served: ServedModels, *, endpoint: Task = "transcribe") -> Asked:
    """
    Raises:
        RequestError: the fields contradict each other, or no model, or not this one, can do it.
    """
    named, target = _language(form), form.one("target_language")
    task = _task(form, named, target, endpoint)
    model = served.named(form.one("model"), task)
    language = language_of(model, named)
    if task == "transcribe":
        target_language = None
    else:
        target_language = target_of(model, language, target or _TARGET_LANGUAGE)
    return Asked(
        model,
        task,
        language,
        target_language,
        _pnc(form, model),
        words.hotwords_of(form, model),
        words.wording_of(
            form,
            languages=[target_language or language] if language else model.languages,
            masks_profanity=served.masks_profanity,
        ),
    )


def _language(form: Form) -> str | None:
    fields = ("language", "languages", "source_language")
    named = {value for field in fields for value in form.many(field)}
    if len(named) > 1:
        given = [field for field in fields if form.many(field)]
        said = ", ".join(sorted(named))
        raise UnsupportedOptionError(
            given[0],
            f"{' and '.join(given)} name several ({said}); one language at most, and without any "
            "the model finds out",
        )
    return named.pop() if named else None


def _task(form: Form, language: str | None, target: str | None, endpoint: Task) -> Task:
    named = TASKS[form.choice("task", TASKS, endpoint)]
    if endpoint == "translate" and named != "translate":
        raise InvalidOptionError("task", "this endpoint translates")
    crosses = target is not None and (language is None or code_of(target) != code_of(language))
    if not crosses or named == "translate":
        return named
    if form.one("task"):
        raise InvalidOptionError(
            "target_language", "a transcript is in the language that is spoken; see `task`"
        )
    return "translate"


def _pnc(form: Form, model: ModelConfig) -> bool:
    if form.one("pnc") and not model.chooses_pnc:
        raise UnsupportedOptionError(
            "pnc", f"{model.name} writes as it learnt to, without a choice"
        )
    return form.flag("pnc", default=True)
