"""What was said and what was answered, in; how many words are wrong, and whether too many, out."""

import re
from dataclasses import dataclass

from loadtest.users.speech import Spoken
from serve_app.wer import count_errors, normalise

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_NUMBER = re.compile(r"\d")
_SIMULATED_WORD_S = 0.5
"""The simulated engine says one for so much audio (`serve_app.models.simulated`)."""
_LEAST, _MOST = 0.8, 1.2
"""Times as many; each end of a segment may cut a word in two, and pauses may be left out."""


class WrongWordsError(Exception):
    """An answer came, and is not what was said."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One answer, compared."""

    num_words: int
    """That it should have."""
    num_wrong: int
    complaint: str = ""
    """Set where too many are wrong."""


def words_of(text: str) -> list[str]:
    """Normalised, each digit as its word: a model may write 4 2 or 42 for "four two"."""
    spelt = _NUMBER.sub(lambda digit: f" {_DIGITS[int(digit.group())]} ", normalise(text))
    return spelt.split()


def check(text: str, spoken: Spoken, *, simulated: bool, max_error_rate: float) -> Checked:
    """Of the simulated engine the words that it has to make up; where they hang on how the audio
    was cut, as many as its length asks for. Of a model what was said, up to `max_error_rate`."""
    found = words_of(text)
    if simulated and spoken.simulated is None:
        return _by_length(len(found), spoken.duration_s)
    errors = count_errors(spoken.simulated if simulated else spoken.words, found)  # type: ignore[arg-type]
    limit = 0.0 if simulated else max_error_rate
    complaint = "" if errors.rate <= limit else f"{errors.total} of {errors.num_reference} words"
    return Checked(errors.num_reference, errors.total, complaint)


def _by_length(num_found: int, duration_s: float) -> Checked:
    num_words = duration_s / _SIMULATED_WORD_S
    if _LEAST * num_words - 2 <= num_found <= _MOST * num_words + 2:
        return Checked(round(num_words), 0)
    complaint = f"{num_found} words for {duration_s:.1f} s"
    return Checked(round(num_words), round(num_words), complaint)
