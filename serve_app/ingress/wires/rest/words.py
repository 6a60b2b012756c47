"""The fields that say which words are likely and how they are written, in; both, checked, out."""

import re
from collections.abc import Collection, Mapping

from serve_app.config import ModelConfig
from serve_app.errors import InvalidOptionError, UnsupportedOptionError
from serve_app.ingress.forms import Form, shown
from serve_app.ingress.wires.rest.answers import Schema
from serve_app.pipelines.transcription import Wording
from serve_app.pipelines.wording import NUMBER_LANGUAGES

MAX_HOTWORDS = 100
MAX_HOTWORD_CHARACTERS = 100

_HOTWORDS = ("hotwords", "keywords")
_NUMBERS = ("itn", "inverse_text_normalization", "numerals")

_BOOLEAN = {"type": "boolean", "default": False}

FIELDS: Mapping[str, Schema] = {
    "hotwords": {
        "type": "string",
        "description": "Words and phrases that are likely to be said, separated by commas or line "
        f"ends, or the field once for each: at most {MAX_HOTWORDS}, of at most "
        f"{MAX_HOTWORD_CHARACTERS} characters each. For Parakeet models.",
    },
    "keywords[]": {
        "type": "array",
        "items": {"type": "string"},
        "maxItems": MAX_HOTWORDS,
        "description": "As `hotwords`.",
    },
    "itn": {
        **_BOOLEAN,
        "description": f"Numbers in digits, in {', '.join(NUMBER_LANGUAGES)}.",
    },
    "inverse_text_normalization": {**_BOOLEAN, "description": "As `itn`."},
    "numerals": {**_BOOLEAN, "description": "As `itn`."},
    "profanity_filter": {
        **_BOOLEAN,
        "description": "Words of the server's own list are masked but for their first letter.",
    },
}


def hotwords_of(form: Form, model: ModelConfig) -> tuple[str, ...]:
    """Each phrase once, in order.

    Raises:
        InvalidOptionError: they are too many, or one is too long.
        UnsupportedOptionError: the model cannot lean towards any.
    """
    named = {
        " ".join(phrase.split()): field
        for field in _HOTWORDS
        for value in form.many(field)
        for phrase in re.split(r"[,\r\n]", value)
    }
    named.pop("", None)
    for phrase, field in named.items():
        if len(phrase) > MAX_HOTWORD_CHARACTERS:
            raise InvalidOptionError(
                field, f"{shown(phrase)} … has more than {MAX_HOTWORD_CHARACTERS} characters"
            )
    for field in named.values():
        if len(named) > MAX_HOTWORDS:
            raise InvalidOptionError(field, f"{len(named)} phrases are above {MAX_HOTWORDS}")
        if not model.takes_hotwords:
            raise UnsupportedOptionError(field, f"{model.name} takes no hot words")
    return tuple(named)


def wording_of(form: Form, *, languages: Collection[str | None], masks_profanity: bool) -> Wording:
    """`languages` are those that the text may be in.

    Raises:
        InvalidOptionError: a field is neither true nor false.
        UnsupportedOptionError: nobody could do it: there is no grammar of the numbers of any of
            the languages, or no list of words.
    """
    numbers = [field for field in _NUMBERS if form.flag(field, default=False)]
    if numbers and not set(NUMBER_LANGUAGES).intersection(languages):
        raise UnsupportedOptionError(
            numbers[0], f"numbers become digits in {', '.join(NUMBER_LANGUAGES)} only"
        )
    masks = form.flag("profanity_filter", default=False)
    if masks and not masks_profanity:
        raise UnsupportedOptionError(
            "profanity_filter", "no list of words is configured: preprocessor.profanity_file"
        )
    return Wording(bool(numbers), masks)
