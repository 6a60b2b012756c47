"""Pieces of a vocabulary become words; punctuation joins them and moves nothing."""

import pytest

from serve_app.models.offline.words import TimedPiece, words_of
from serve_app.transcript.types import Word

FRAME_S = 0.08


def spoken(*pieces: tuple[str, int, int, float]) -> tuple[Word, ...]:
    return words_of([TimedPiece(*piece) for piece in pieces], frame_s=FRAME_S, duration_s=10.0)


def test_pieces_join_at_the_mark_of_a_words_start() -> None:
    words = spoken(("▁he", 0, 2, 0.9), ("llo", 2, 4, 0.8), ("▁you", 10, 12, 0.7))
    assert words == (Word("hello", 0.0, 0.32, 0.8), Word("you", 0.8, 0.96, 0.7))


def test_punctuation_belongs_to_the_word_before_and_moves_no_time() -> None:
    words = spoken(
        ("▁yes", 0, 3, 0.9), (",", 40, 41, 0.2), ("▁no", 50, 52, 0.8), ("▁?", 90, 91, 0.1)
    )
    assert words == (Word("yes,", 0.0, 0.24, 0.9), Word("no?", 4.0, 4.16, 0.8))


def test_a_lone_mark_of_a_word_start_is_no_word() -> None:
    assert spoken(("▁", 0, 1, 0.9)) == ()
    assert [word.text for word in spoken(("▁", 0, 1, 0.9), ("one", 1, 3, 0.9))] == ["one"]


def test_punctuation_before_any_word_stands_alone() -> None:
    assert [word.text for word in spoken(("¿", 0, 1, 0.9), ("▁qué", 1, 3, 0.9))] == ["¿", "qué"]


def test_times_end_with_the_chunk() -> None:
    (word,) = words_of([TimedPiece("▁end", 120, 130, 1.0)], frame_s=FRAME_S, duration_s=10.0)
    assert (word.start_s, word.end_s) == (9.6, pytest.approx(10.0))
