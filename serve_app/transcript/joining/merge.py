"""The hypothesis of one chunk, in; the segments of the recording that it holds, out.

Chunks come in order and each is finished when it comes, so that the first words can leave before
the last chunk is recognised. Nothing said is lost: the texts of the segments, joined by spaces,
are the text of the hypothesis.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from serve_app.transcript.types import Hypothesis, Segment, Token, Word

MAX_PAUSE_S = 0.8
"""Between two words; a longer one ends a segment. Twice what speakers pause within a sentence."""

_SENTENCE_ENDS = ".?!…"
_CLOSERS = "\"')]}»”\u2019"


def segments_of(
    hypothesis: Hypothesis,
    chunk_start_s: float,
    chunk_duration_s: float,
    *,
    max_pause_s: float = MAX_PAUSE_S,
    channel: int | None = None,
) -> tuple[Segment, ...]:
    """Cut what was said in a chunk at the ends of sentences and at pauses.

    Where the model gave no word times, or words that do not spell its text, the chunk becomes one
    segment between its own bounds. A text without a visible character gives no segment.
    """
    text = " ".join(hypothesis.text.split())
    if not text:
        return ()
    words = _timed_words(hypothesis, text, chunk_start_s, chunk_duration_s)
    if words is None:
        end_s = chunk_start_s + chunk_duration_s
        whole = _segment(hypothesis, text, chunk_start_s, end_s, None, hypothesis.tokens)
        return (replace(whole, channel=channel),)
    stretches = list(_split(words, max_pause_s))
    texts = [" ".join(word.text for word in stretch) for stretch in stretches]
    tokens = share_out(hypothesis.tokens, texts)
    return tuple(
        replace(
            _segment(hypothesis, text, stretch[0].start_s, stretch[-1].end_s, stretch, share),
            channel=channel,
        )
        for text, stretch, share in zip(texts, stretches, tokens, strict=True)
    )


def _segment(
    hypothesis: Hypothesis,
    text: str,
    start_s: float,
    end_s: float,
    words: tuple[Word, ...] | None,
    tokens: tuple[Token, ...] | None,
) -> Segment:
    return Segment(
        text, start_s, end_s, words, tokens, hypothesis.language, hypothesis.spoken_language
    )


def _timed_words(
    hypothesis: Hypothesis, text: str, chunk_start_s: float, chunk_duration_s: float
) -> tuple[Word, ...] | None:
    """The words on the recording's clock, in order and apart; None where they are not `text`.

    A decoder's clock ticks in frames of its encoder, so a word may seem to reach into the next one
    or past the end of the chunk; it is cut there.
    """
    words = [word for word in hypothesis.words or () if word.text.strip()]
    if " ".join(" ".join(word.text.split()) for word in words) != text:
        return None
    starts_s: list[float] = []
    earliest_s = 0.0
    for word in words:
        earliest_s = min(max(earliest_s, word.start_s), chunk_duration_s)
        starts_s.append(earliest_s)
    latest_s = [*starts_s[1:], chunk_duration_s]
    return tuple(
        replace(
            word,
            text=" ".join(word.text.split()),
            start_s=chunk_start_s + start_s,
            end_s=chunk_start_s + min(max(word.end_s, start_s), limit_s),
        )
        for word, start_s, limit_s in zip(words, starts_s, latest_s, strict=True)
    )


def _split(words: Sequence[Word], max_pause_s: float) -> Iterator[tuple[Word, ...]]:
    begin = 0
    for index, (word, following) in enumerate(pairwise(words), start=1):
        paused = following.start_s - word.end_s >= max_pause_s
        if paused or _ends_sentence(word.text, following.text):
            yield tuple(words[begin:index])
            begin = index
    yield tuple(words[begin:])


def _ends_sentence(word: str, following: str) -> bool:
    """Whether a sentence ends between two words. `e.g. this` and `J. Smith` are no such place."""
    bare = word.rstrip(_CLOSERS)
    if not bare or bare[-1] not in _SENTENCE_ENDS:
        return False
    is_initial = len(bare) == 2 and bare[0].isalpha()
    return bare[-1] != "." or not (is_initial or following[:1].islower())


def share_out(
    tokens: Sequence[Token] | None, texts: Sequence[str]
) -> list[tuple[Token, ...] | None]:
    """Give each token to the text that holds its first visible character.

    Tokens and texts spell the same, up to the marks of the vocabulary (`▁`); where one spells
    differently (`<unk>`), its place is found in proportion, so that every token goes somewhere.
    """
    if tokens is None:
        return [None] * len(texts)
    widths = [_num_visible(text) for text in texts]
    num_spelt = max(1, sum(_num_visible(token.text) for token in tokens))
    shares: list[list[Token]] = [[] for _ in texts]
    index, end, seen = 0, widths[0], 0
    for token in tokens:
        while index < len(texts) - 1 and seen * sum(widths) >= end * num_spelt:
            index += 1
            end += widths[index]
        shares[index].append(token)
        seen += _num_visible(token.text)
    return [tuple(share) for share in shares]


def _num_visible(text: str) -> int:
    return sum(not (character.isspace() or character == "▁") for character in text)
