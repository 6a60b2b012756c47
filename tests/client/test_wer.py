"""Counts by hand, and what must hold whatever the words are."""

import random

import pytest

from serve_app.wer import Errors, align, count_errors, normalise


@pytest.mark.parametrize(
    ("reference", "hypothesis", "substitutions", "deletions", "insertions"),
    [
        ("one two three", "one two three", 0, 0, 0),
        ("one two three", "one four three", 1, 0, 0),
        ("one two three", "one three", 0, 1, 0),
        ("one two three", "one two two three", 0, 0, 1),
        ("one two three", "", 0, 3, 0),
        ("", "one two", 0, 0, 2),
        ("", "", 0, 0, 0),
        ("a b c d", "a x c", 1, 1, 0),
    ],
)
def test_errors_are_counted_as_by_hand(reference, hypothesis, substitutions, deletions, insertions):
    errors = count_errors(reference.split(), hypothesis.split())
    assert (errors.substitutions, errors.deletions, errors.insertions) == (
        substitutions,
        deletions,
        insertions,
    )
    assert errors.num_reference == len(reference.split())


def test_the_rate_is_errors_over_the_reference_and_may_pass_one():
    assert count_errors(["a", "b", "c", "d"], ["a", "x", "c"]).rate == 0.5
    assert count_errors(["a"], ["x", "y", "z"]).rate == 3.0
    assert count_errors([], ["x"]).rate == float("inf")
    assert count_errors([], []).rate == 0.0


def test_a_set_is_summed_not_averaged():
    whole = Errors(10, 1, 0, 0) + Errors(1, 0, 1, 0)
    assert whole == Errors(11, 1, 1, 0)
    assert whole.rate == pytest.approx(2 / 11)


def test_strings_are_compared_by_character():
    assert count_errors("kitten", "sitting") == Errors(6, 2, 0, 1)


def distance(reference, hypothesis):
    """Levenshtein's table, as in any textbook."""
    row = list(range(len(hypothesis) + 1))
    for number, said in enumerate(reference, 1):
        previous, row[0] = row[0], number
        for column, heard in enumerate(hypothesis, 1):
            best = min(row[column] + 1, row[column - 1] + 1, previous + (said != heard))
            previous, row[column] = row[column], best
    return row[-1]


@pytest.mark.parametrize("seed", range(50))
def test_random_texts_have_the_least_errors_and_an_alignment_that_spells_both(seed):
    rng = random.Random(seed)
    words = ["a", "b", "c", "*", "été"]
    reference = rng.choices(words, k=rng.randrange(12))
    hypothesis = rng.choices(words, k=rng.randrange(12))
    errors = count_errors(reference, hypothesis)
    assert errors.total == distance(reference, hypothesis)
    assert errors.insertions - errors.deletions == len(hypothesis) - len(reference)
    pairs = align(reference, hypothesis)
    assert [said for said, _ in pairs if said] == reference
    assert [heard for _, heard in pairs if heard] == hypothesis
    assert sum(said != heard for said, heard in pairs) == errors.total


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Hello, World!", "hello world"),
        ("“Quoted” – and   dashed", "quoted and dashed"),
        ("twenty-one and/or", "twenty one and or"),
        ("don't DON’T 'quoted'", "don't don't quoted"),
        ("Ünïcode. Straße", "ünïcode straße"),
        ("你好\N{FULLWIDTH COMMA}世界。", "你好世界"),
        ("...", ""),
        ("U.S. costs 5 €", "us costs 5 €"),
    ],
)
def test_texts_are_compared_without_case_and_punctuation(text, normal):
    assert normalise(text) == normal


def test_normalising_twice_changes_nothing():
    rng = random.Random(1)
    letters = "aB'’-.,ß Éİ１/\t"
    for _ in range(200):
        once = normalise("".join(rng.choices(letters, k=20)))
        assert normalise(once) == once
