"""A guard against decoders that loop: attention models sometimes say one phrase to the end."""

import re

_MAX_PHRASE_WORDS = 20
_MIN_REPEATS = 4
_MIN_LOOP_WORDS = 24
"""Nobody says one phrase four times in a row for two dozen words, digit strings included."""

_LOOP_IN_A_WORD = re.compile(r"(.{1,8}?)\1{15,}.{0,7}$")
"""Sixteen times the same few letters, to the end of the word."""

_MARKS = ".,?!;:¿¡…"


def without_loops(text: str) -> str:
    """`text` with its last phrase said once, where it is said over and over until the end.

    The end may lie anywhere, also within a word: a decoder that loops is cut by a number of tokens.
    Punctuation and capitals make no difference.
    """
    words = text.split()
    folded = [word.casefold().strip(_MARKS) for word in words]
    for length in range(1, _MAX_PHRASE_WORDS + 1):
        num_repeated = _num_repeated(folded, length)
        num_in_loop = num_repeated + length
        if num_in_loop >= max(_MIN_LOOP_WORDS, _MIN_REPEATS * length):
            return " ".join(words[: len(words) - num_repeated])
    if words and (loop := _LOOP_IN_A_WORD.search(words[-1])):
        return " ".join([*words[:-1], words[-1][: loop.end(1)]])
    return text


def _num_repeated(words: list[str], length: int) -> int:
    """How many words at the end are each the same as the one `length` words before."""
    place = len(words) - 1
    if place >= length and words[place - length].startswith(words[place]):
        place -= 1  # the last one may be cut
        while place >= length and words[place] == words[place - length]:
            place -= 1
    return len(words) - 1 - place
