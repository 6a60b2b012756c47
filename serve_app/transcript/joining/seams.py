"""The hypotheses of two chunks that share some audio, in; both without what they say twice, out.

Where both heard the same words, the first keeps them; where they agree on none, each keeps what
lies on its side of the middle of what they share. A hypothesis without times is cut where its last
words are the other's first; if there is no such place, all of it stays: nothing said is lost.
"""

from collections.abc import Sequence
from dataclasses import replace

from serve_app.transcript.joining.merge import share_out
from serve_app.transcript.types import Hypothesis, Token, Word

_SAME_TIME_S = 0.4
"""Between what two chunks think of when a word was said; some words a second are said."""
_MAX_UNTIMED_WORDS = 12
"""That are compared where there are no times: what fits into a few seconds."""


def joined(
    first: Hypothesis, second: Hypothesis, *, shift_s: float, overlap_s: float
) -> tuple[Hypothesis, Hypothesis]:
    """`second`'s chunk begins `shift_s` after that of `first`, which ends `overlap_s` later."""
    ours, theirs = _timed(first), _timed(second)
    if ours is None or theirs is None:
        num_kept, num_dropped = _cut_untimed(first.text.split(), second.text.split())
    else:
        moved = [replace(w, start_s=w.start_s + shift_s, end_s=w.end_s + shift_s) for w in theirs]
        num_kept, num_dropped = _cut_timed(ours, moved, shift_s, shift_s + overlap_s)
    before, behind = _part(first, 0, num_kept), _part(second, num_dropped, None)
    return before, _begun_behind(behind, before, shift_s)


def _begun_behind(second: Hypothesis, first: Hypothesis, shift_s: float) -> Hypothesis:
    """`second` with no word that begins before the last of `first` has ended."""
    if not first.words or not second.words:
        return second
    earliest_s = first.words[-1].end_s - shift_s
    words = tuple(
        replace(w, start_s=max(w.start_s, earliest_s), end_s=max(w.end_s, earliest_s))
        if w.start_s < earliest_s
        else w
        for w in second.words
    )
    return replace(second, words=words)


def _timed(hypothesis: Hypothesis) -> tuple[Word, ...] | None:
    """Its words, where they spell its text, one by one."""
    words = tuple(word for word in hypothesis.words or () if word.text.strip())
    is_spelt = [word.text for word in words] == hypothesis.text.split()
    return words if is_spelt else None


def _cut_timed(
    ours: Sequence[Word], theirs: Sequence[Word], begin_s: float, end_s: float
) -> tuple[int, int]:
    """How many words the first keeps, and how many the second drops."""
    run = _longest_run(ours, theirs)
    if run is not None:
        first, second, length = run
        # Of the words that both have, the later ones are nearer to the first one's edge.
        half = (length + 1) // 2
        return first + half, second + half
    middle_s = (begin_s + end_s) / 2
    num_kept = sum(_middle_s(word) < middle_s for word in ours)
    num_dropped = sum(_middle_s(word) < middle_s for word in theirs)
    if num_kept and num_dropped < len(theirs) and _is_same(ours[num_kept - 1], theirs[num_dropped]):
        num_dropped += 1
    return num_kept, num_dropped


def _longest_run(ours: Sequence[Word], theirs: Sequence[Word]) -> tuple[int, int, int] | None:
    """Where the longest run of words that both have begins in each, and its length."""
    best: tuple[int, int, int] | None = None
    lengths: dict[tuple[int, int], int] = {}
    for i, our in enumerate(ours):
        for j, their in enumerate(theirs):
            if not _is_same(our, their):
                continue
            length = lengths[i, j] = lengths.get((i - 1, j - 1), 0) + 1
            if best is None or length > best[2]:
                best = (i - length + 1, j - length + 1, length)
    return best


def _is_same(our: Word, their: Word) -> bool:
    is_near = abs(_middle_s(our) - _middle_s(their)) <= _SAME_TIME_S
    return is_near and _bare(our.text) == _bare(their.text)


def _cut_untimed(ours: Sequence[str], theirs: Sequence[str]) -> tuple[int, int]:
    tail = [_bare(word) for word in ours[-_MAX_UNTIMED_WORDS:]]
    head = [_bare(word) for word in theirs[:_MAX_UNTIMED_WORDS]]
    for length in range(min(len(tail), len(head)), 0, -1):
        if tail[-length:] == head[:length]:
            return len(ours), length
    for dropped in range(1, len(tail)):  # its last words may be halves
        for length in range(min(len(tail) - dropped, len(head)), 1, -1):
            if tail[-length - dropped : -dropped] == head[:length]:
                return len(ours) - dropped, length
    return len(ours), 0


def _part(hypothesis: Hypothesis, begin: int, end: int | None) -> Hypothesis:
    """Its words `begin` to `end`, with their share of its tokens."""
    texts = hypothesis.text.split()
    end = len(texts) if end is None else end
    if (begin, end) == (0, len(texts)):
        return hypothesis
    words = None if hypothesis.words is None else _timed(hypothesis)
    parts = [" ".join(texts[:begin]), " ".join(texts[begin:end]), " ".join(texts[end:])]
    return replace(
        hypothesis,
        text=parts[1],
        words=None if words is None else words[begin:end],
        tokens=_tokens(hypothesis.tokens, parts),
    )


def _tokens(tokens: tuple[Token, ...] | None, parts: Sequence[str]) -> tuple[Token, ...] | None:
    return share_out(tokens, parts)[1]


def _middle_s(word: Word) -> float:
    return (word.start_s + word.end_s) / 2


def _bare(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum()) or text
