"""Loops are said once; what people do repeat stays."""

import random

import pytest

from serve_app.models.offline.repetition import without_loops

LOOPS = [
    ("and so " + "the end " * 30, "and so the end"),
    ("we met. " + "Thank you. " * 12, "we met. Thank you."),
    ("go " * 24, "go"),
    (
        "I see " + "one two three four five six seven eight " * 4,
        "I see one two three four five six seven eight",
    ),
    # Cut off in the middle of a phrase by the longest text that a decoder writes.
    ("well " + "thank you " * 15 + "thank", "well thank you"),
    # ... and in the middle of a word.
    ("well " + "thank you " * 40 + "tha", "well thank you"),
    ("well " + "Thank you. " * 20 + "thank", "well Thank you."),
    (
        "so we went " + "on and on and then back and then on again " * 10,
        "so we went on and on and then back and then on again",
    ),
    ("ha" * 300, "ha"),
    ("it was " + "ha" * 40 + "h", "it was ha"),
]

KEPT = [
    "",
    "one",
    "zero zero zero zero zero zero zero zero",
    "one two " * 5,
    "nine nine nine nine nine nine nine nine nine nine nine nine",
    "no no no no, no no no",
    "four two four two four two four two four two",
    "row row row your boat gently down the stream",
    # Not at its end: somebody went on speaking.
    "ha " * 30 + "that was funny",
    "it was " + "ha" * 10,
    "the number is " + "1" * 12,
]


@pytest.mark.parametrize(("text", "once"), LOOPS)
def test_a_loop_is_said_once(text: str, once: str) -> None:
    assert without_loops(text) == once


@pytest.mark.parametrize("text", KEPT)
def test_what_people_say_is_left_as_it_is(text: str) -> None:
    assert without_loops(text) == text


@pytest.mark.parametrize("seed", range(20))
def test_digit_strings_are_left_as_they_are(seed: int) -> None:
    digits = random.Random(seed).choices(["one", "two", "three", "zero"], k=40)
    assert without_loops(" ".join(digits)) == " ".join(digits)
