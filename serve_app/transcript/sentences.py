"""A text, in; its sentences, out, each short enough to be spoken in one breath.

A rule of thumb, for any script: a full stop too many costs a speaker a pause, one too few some
time until the first sound. So abbreviations that are common are known, and no more.
"""

import re
from collections.abc import Iterator

_END = re.compile(
    r"(?P<mark>[.!?…]+|[。！？｡]+)[\"'”’»)\]」』]*"
    r"(?P<gap>\s+|$|(?<=[。！？｡」』])(?=\S))"
)
_ABBREVIATIONS = (
    "Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|vs|etc|approx|No|Nr|bzw|usw|ca|Mme|Mlle|Sra|Hr|Fr|z.B|e.g|i.e|d.h|"
    "u.a|т.д|т.п|т.е|др|г|гг|ул|стр|руб|тыс|млн"  # noqa: RUF001  # Russian ones
)
_ABBREVIATION = re.compile(
    rf"(?:^|[\s(\"'«„“])(?:[^\W\d]|{_ABBREVIATIONS.replace('.', '[.] ?')})$", re.IGNORECASE
)
_SOFT_BREAKS = (re.compile(r"[;:,،、，；]\s*"), re.compile(r"\s+"))  # noqa: RUF001


def sentences_of(text: str, *, max_chars: int = 500) -> Iterator[str]:
    """The sentences in order, without the white space around them, none longer than `max_chars`.

    What is longer is cut behind a comma, else between words, else anywhere.
    """
    for paragraph in re.split(r"\n\s*\n", text):
        for sentence in _whole_sentences(" ".join(paragraph.split())):
            yield from _pieces(sentence, max_chars)


def _whole_sentences(paragraph: str) -> Iterator[str]:
    start = 0
    for end in _END.finditer(paragraph):
        if _goes_on(paragraph, start, end):
            continue
        yield paragraph[start : end.end()].strip()
        start = end.end()
    if paragraph[start:].strip():
        yield paragraph[start:].strip()


def _goes_on(paragraph: str, start: int, end: "re.Match[str]") -> bool:
    """Whether the full stop is of an abbreviation, or who goes on does so in lower case."""
    if end["mark"] != ".":
        return False
    follows = paragraph[end.end() : end.end() + 1]
    return follows.islower() or bool(
        follows and _ABBREVIATION.search(paragraph[start : end.start()])
    )


def _pieces(sentence: str, max_chars: int) -> Iterator[str]:
    while len(sentence) > max_chars:
        place = _break_before(sentence, max_chars)
        yield sentence[:place].strip()
        sentence = sentence[place:].strip()
    if sentence:
        yield sentence


def _break_before(sentence: str, max_chars: int) -> int:
    """Behind the last comma in the second half of what fits, else the last space in it."""
    for mark in _SOFT_BREAKS:
        places = [found.end() for found in mark.finditer(sentence, 0, max_chars)]
        if places and places[-1] > max_chars // 2:
            return places[-1]
    return max_chars
