"""A segment and what is to stand in place of some stretches of its text, in; the segment so, out.

Its text, its words and its tokens go on spelling the same.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from serve_app.transcript.joining.merge import share_out
from serve_app.transcript.types import Segment, Token, Word

_WORD_START = "▁"
"""SentencePiece's mark of a word's first piece."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Characters `start` to `end` of a text become `text`. Edits come in order and apart."""

    start: int
    end: int
    text: str


def rewritten(segment: Segment, edits_of: Callable[[str], Iterable[Edit]]) -> Segment:
    """Words that an edit joins become one: from the start of the first to the end of the last, as
    sure as the least sure of them. Its token has the log-probability of all of theirs. Words that
    do not spell the text are left out of what is changed."""
    spelt = segment.text.split()
    edits = list(edits_of(" ".join(spelt)))
    if not edits:
        return segment
    groups = list(_groups(spelt, edits))
    words, tokens = segment.words, segment.tokens
    if words is not None and [word.text for word in words] == spelt:
        words = tuple(_word(words[first:end], text) for first, end, text in groups)
    else:
        words = None
    shares = share_out(tokens, spelt)
    if tokens is not None:
        tokens = tuple(
            token
            for first, end, text in groups
            for token in _tokens(shares[first:end], text, " ".join(spelt[first:end]))
        )
    return replace(
        segment, text=" ".join(text for _, _, text in groups), words=words, tokens=tokens
    )


def _groups(spelt: Sequence[str], edits: Sequence[Edit]) -> Iterator[tuple[int, int, str]]:
    """Runs of words, from the first to behind the last, that no edit reaches across; and how each
    is written then."""
    first, begin, end = 0, 0, -1
    for index, word in enumerate(spelt):
        end += 1 + len(word)
        if any(edit.start < end < edit.end for edit in edits):
            continue
        text = " ".join(spelt[first : index + 1])
        yield first, index + 1, _edited(text, begin, edits)
        first, begin = index + 1, end + 1


def _edited(text: str, begin: int, edits: Sequence[Edit]) -> str:
    """`text`, which is what stands from `begin` on, with the edits that lie in it."""
    for edit in reversed(edits):
        if begin <= edit.start and edit.end <= begin + len(text):
            text = text[: edit.start - begin] + edit.text + text[edit.end - begin :]
    return text


def _word(words: Sequence[Word], text: str) -> Word:
    confidences = [word.confidence for word in words if word.confidence is not None]
    sure = min(confidences) if len(confidences) == len(words) else None
    return Word(text, words[0].start_s, words[-1].end_s, sure)


def _tokens(shares: Iterable[Sequence[Token] | None], text: str, before: str) -> tuple[Token, ...]:
    tokens = tuple(token for share in shares for token in share or ())
    if text == before or not tokens:
        return tokens
    mark = _WORD_START if tokens[0].text.startswith(_WORD_START) else ""
    return (Token(mark + text, math.fsum(token.logprob for token in tokens)),)
