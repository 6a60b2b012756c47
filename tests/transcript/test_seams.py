"""What two chunks heard of the same audio is told once, and nothing is lost."""

import random

import pytest

from serve_app.transcript.joining.seams import joined
from serve_app.transcript.types import Hypothesis, Token, Word

VOCABULARY = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "zero"]


def chunk_of(words: list[Word], start_s: float, end_s: float, jitter: random.Random) -> Hypothesis:
    """What is wholly within a chunk, its times a little off."""
    heard = [
        Word(
            w.text,
            w.start_s - start_s + jitter.uniform(-0.08, 0.08),
            w.end_s - start_s + jitter.uniform(-0.08, 0.08),
        )
        for w in words
        if w.start_s >= start_s - 0.05 and w.end_s <= end_s + 0.05
    ]
    text = " ".join(w.text for w in heard)
    tokens = tuple(Token("▁" + w.text, -0.1) for w in heard)
    return Hypothesis(text, words=tuple(heard), tokens=tokens)


@pytest.mark.parametrize("seed", range(300))
def test_words_of_the_overlap_are_told_once(seed: int) -> None:
    rng = random.Random(seed)
    words, at_s = [], 0.0
    while at_s < 20:
        length_s = rng.uniform(0.15, 0.5)
        words.append(Word(rng.choice(VOCABULARY), at_s, at_s + length_s))
        at_s += length_s + rng.uniform(0.0, 0.2)
    begin_s = rng.uniform(7, 11)
    first = chunk_of(words, 0.0, begin_s + 2.0, rng)
    second = chunk_of(words, begin_s, 30.0, rng)
    ours, theirs = joined(first, second, shift_s=begin_s, overlap_s=2.0)
    assert f"{ours.text} {theirs.text}".split() == [word.text for word in words]
    starts = [w.start_s for w in ours.words or ()]
    starts += [w.start_s + begin_s for w in theirs.words or ()]
    ends = [w.end_s for w in ours.words or ()] + [w.end_s + begin_s for w in theirs.words or ()]
    seam = len(ours.words or ())
    if 0 < seam < len(starts):
        assert ends[seam - 1] <= starts[seam] + 1e-9
    for part in (ours, theirs):
        assert [word.text for word in part.words or ()] == part.text.split()
        assert [token.text[1:] for token in part.tokens or ()] == part.text.split()


def test_where_the_two_heard_different_words_each_keeps_its_side_of_the_middle() -> None:
    first = Hypothesis("a b cut", words=(Word("a", 0, 1), Word("b", 4, 4.5), Word("cut", 5.7, 6)))
    second = Hypothesis("f c d", words=(Word("f", 0, 0.3), Word("c", 1.4, 1.8), Word("d", 3, 4)))
    ours, theirs = joined(first, second, shift_s=4.0, overlap_s=2.0)
    assert (ours.text, theirs.text) == ("a b", "c d")


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ("we went to the", "to the sea", "we went to the sea"),
        ("we went to the s", "to the sea", "we went to the sea"),
        ("We went, to The.", "to the sea", "We went, to The. sea"),
        ("all of it", "other words", "all of it other words"),
        ("", "words", " words"),
        ("words", "", "words "),
    ],
)
def test_texts_without_times_are_joined_by_their_words(first: str, second: str, both: str) -> None:
    ours, theirs = joined(Hypothesis(first), Hypothesis(second), shift_s=4.0, overlap_s=2.0)
    assert f"{ours.text} {theirs.text}" == both
