"""What was recognised, in; the same as the client wants it written, out.

Numbers become digits by text2num's grammars, before words of a list are masked.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from text_to_num import find_numbers

from serve_app.errors import ConfigError
from serve_app.pipelines.transcription import Wording
from serve_app.transcript.rewrite import Edit, rewritten
from serve_app.transcript.types import Segment

NUMBER_LANGUAGES = ("da", "de", "en", "es", "fr", "it", "nl", "pt")
"""ISO 639-1, of text2num 3.1."""

_LARGEST_SMALL = 3.0
"""A number up to it that stands alone stays a word, as in "one of them": text2num's own default."""

_MULTIPLIERS = frozenset({1e6, 1e9, 1e12})
"""Alone, "million" is a word: text2num would make "2.5 1000000" of "two point five million"."""

_ROOT = Path(__file__).resolve().parents[2]
_TOKEN = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|\S")
_LETTERS = re.compile(r"\w+")


class Wordsmith:
    """Writes segments down as each client wants them, with the words that none shall read."""

    def __init__(self, profanity: Iterable[str] = ()) -> None:
        longest_first = sorted((phrase.split() for phrase in profanity), key=len, reverse=True)
        phrases = (r"\s+".join(map(re.escape, phrase)) for phrase in longest_first)
        choice = "|".join(phrases)
        self._profanity = re.compile(rf"(?<!\w)(?:{choice})(?!\w)", re.I) if choice else None

    @classmethod
    def of(cls, profanity_file: str | None) -> "Wordsmith":
        """
        Raises:
            ConfigError: see `read_profanity`.
        """
        return cls() if profanity_file is None else cls(read_profanity(profanity_file))

    def worded(self, segment: Segment, wording: Wording) -> Segment:
        """A segment with its words still where they were said.

        Numbers in a language of which text2num has no grammar, or in none that is known, stay.
        """
        language = segment.language
        if wording.numbers and language in NUMBER_LANGUAGES:
            segment = rewritten(segment, lambda text: _digits(text, language))
        return rewritten(segment, self._masks) if wording.mask_profanity else segment

    def _masks(self, text: str) -> Iterator[Edit]:
        for found in self._profanity.finditer(text) if self._profanity else ():
            for word in _LETTERS.finditer(text, found.start(), found.end()):
                masked = word[0][0] + "*" * (len(word[0]) - 1)
                yield Edit(word.start(), word.end(), masked)


def read_profanity(profanity_file: str) -> tuple[str, ...]:
    """The words and phrases of a UTF-8 file, one a line; `#` begins a comment.

    A relative path counts from the project's root, as checkpoints do.

    Raises:
        ConfigError: it cannot be read, or has none.
    """
    path = _ROOT / profanity_file
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("preprocessor.profanity_file", f"{path}: {error}") from error
    phrases = tuple(line.split("#")[0].strip() for line in lines)
    if not any(phrases):
        raise ConfigError("preprocessor.profanity_file", f"{path} has no words")
    return tuple(filter(None, phrases))


class _Spoken:
    """One token, as text2num has them."""

    def __init__(self, text: str) -> None:
        self._text = text

    def text(self) -> str:
        return self._text

    def nt_separated(self, previous: object) -> bool:
        return False

    def not_a_number_part(self) -> bool:
        return False


def _digits(text: str, language: str) -> Iterator[Edit]:
    tokens = list(_TOKEN.finditer(text))
    spoken = [_Spoken(token[0]) for token in tokens]
    for number in find_numbers(spoken, language, _LARGEST_SMALL):
        is_multiplier = number.value in _MULTIPLIERS and number.end - number.start == 1
        if not is_multiplier:
            yield Edit(tokens[number.start].start(), tokens[number.end - 1].end(), number.text)
