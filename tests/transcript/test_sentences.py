"""Texts, cut into what is spoken in one breath."""

import random
import string

import pytest

from serve_app.transcript.sentences import sentences_of


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", []),
        ("  \n ", []),
        ("Hello", ["Hello"]),
        ("Hello there. How are you?  Fine!", ["Hello there.", "How are you?", "Fine!"]),
        ("Mr. Smith paid 3.14 at 5 p.m. today.", ["Mr. Smith paid 3.14 at 5 p.m. today."]),
        ("It was 5. Then 6.", ["It was 5.", "Then 6."]),
        ("Wait... What?! Yes.", ["Wait...", "What?!", "Yes."]),
        ('He said: "Go." She went.', ['He said: "Go."', "She went."]),
        ("J. R. Tolkien wrote it.", ["J. R. Tolkien wrote it."]),
        ("Das ist z. B. Berlin. Ja.", ["Das ist z. B. Berlin.", "Ja."]),
        ("Привет. Это 5 руб. за час. Да.", ["Привет.", "Это 5 руб. за час.", "Да."]),  # noqa: RUF001  # Russian
        ("こんにちは。元気ですか？はい。", ["こんにちは。", "元気ですか？", "はい。"]),
        ("one\n\ntwo\nthree", ["one", "two three"]),
        ("...", ["..."]),
    ],
)
def test_sentences_end_where_a_reader_pauses(text: str, sentences: list[str]) -> None:
    assert list(sentences_of(text)) == sentences


def test_what_is_too_long_is_cut_behind_a_comma_or_between_words() -> None:
    text = "one two three four five, six seven eight nine ten"
    assert next(sentences_of(text, max_chars=40)) == "one two three four five,"
    assert next(sentences_of("word " * 20, max_chars=42)).endswith("word")
    assert [len(each) for each in sentences_of("x" * 100, max_chars=40)] == [40, 40, 20]


def test_random_texts_lose_no_letter_and_give_no_long_sentence() -> None:
    draw = random.Random(4)
    letters = string.ascii_letters + string.digits + " .,!?\n\"'…。！абв" * 3
    for _ in range(500):
        text = "".join(draw.choices(letters, k=draw.randint(0, 400)))
        pieces = list(sentences_of(text, max_chars=60))
        assert all(0 < len(piece) <= 60 and piece == piece.strip() for piece in pieces)
        assert "".join("".join(pieces).split()) == "".join(text.split())
