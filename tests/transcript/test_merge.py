import random

import pytest

from serve_app.transcript.joining.merge import segments_of
from serve_app.transcript.types import Hypothesis, Token, Word

SEEDS = range(300)


def words_of(text: str, *, word_s: float = 0.3, gap_s: float = 0.1) -> tuple[Word, ...]:
    step_s = word_s + gap_s
    return tuple(
        Word(word, index * step_s, index * step_s + word_s)
        for index, word in enumerate(text.split())
    )


def texts_of(text: str, **options: float) -> list[str]:
    hypothesis = Hypothesis(text, words_of(text))
    return [segment.text for segment in segments_of(hypothesis, 0.0, 60.0, **options)]


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_silence_gives_no_segment(text: str) -> None:
    assert segments_of(Hypothesis(text, ()), 3.0, 5.0) == ()


def test_words_are_moved_to_the_clock_of_the_recording() -> None:
    words = (Word("one", 0.5, 0.8, 0.9), Word("two", 1.0, 1.2))
    (segment,) = segments_of(Hypothesis("one two", words, language="en"), 30.0, 5.0)
    assert (segment.start_s, segment.end_s) == (30.5, 31.2)
    assert segment.words == (Word("one", 30.5, 30.8, 0.9), Word("two", 31.0, 31.2))
    assert segment.language == "en"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello there. How are you?", ["Hello there.", "How are you?"]),
        ('He said "stop." Then left!', ['He said "stop."', "Then left!"]),
        ("what? no", ["what?", "no"]),
        ("Use tools, e.g. this one.", ["Use tools, e.g. this one."]),
        ("By J. Smith.", ["By J. Smith."]),
        ("It is 3.5 metres long", ["It is 3.5 metres long"]),
        ("... and so on", ["... and so on"]),
    ],
)
def test_a_segment_ends_where_a_sentence_does(text: str, expected: list[str]) -> None:
    assert texts_of(text) == expected


def test_a_segment_ends_at_a_pause() -> None:
    words = (Word("one", 0.0, 0.4), Word("two", 1.19, 1.5), Word("three", 2.31, 2.6))
    segments = segments_of(Hypothesis("one two three", words), 0.0, 5.0)
    assert [segment.text for segment in segments] == ["one two", "three"]


def test_without_word_times_a_chunk_is_one_segment_between_its_bounds() -> None:
    (segment,) = segments_of(Hypothesis("One. Two."), 12.0, 7.5)
    assert (segment.text, segment.words) == ("One. Two.", None)
    assert (segment.start_s, segment.end_s) == (12.0, 19.5)


def test_words_that_do_not_spell_the_text_are_not_trusted() -> None:
    (segment,) = segments_of(Hypothesis("one two", (Word("one", 0.0, 0.5),)), 0.0, 2.0)
    assert (segment.text, segment.words, segment.end_s) == ("one two", None, 2.0)


def test_a_word_that_reaches_into_the_next_one_or_past_the_chunk_is_cut_there() -> None:
    words = (Word("a", -0.1, 0.5), Word("b", 0.4, 0.4), Word("c", 0.3, 9.0))
    (segment,) = segments_of(Hypothesis("a b c", words), 10.0, 1.0)
    assert segment.words == (Word("a", 10.0, 10.4), Word("b", 10.4, 10.4), Word("c", 10.4, 11.0))


def test_tokens_go_to_the_segment_that_they_spell() -> None:
    tokens = tuple(Token(text, -0.1) for text in ("▁O", "ne", ".", "▁", "Tw", "o", "."))
    hypothesis = Hypothesis("One. Two.", words_of("One. Two."), tokens)
    first, second = segments_of(hypothesis, 0.0, 5.0)
    assert first.tokens == tokens[:3]
    assert second.tokens == tokens[3:]


def test_no_tokens_stay_no_tokens() -> None:
    segments = segments_of(Hypothesis("One. Two.", words_of("One. Two.")), 0.0, 5.0)
    assert [segment.tokens for segment in segments] == [None, None]


def any_hypothesis(rng: random.Random, duration_s: float) -> Hypothesis:
    num_words = rng.randrange(1, 40)
    spellings = [
        "".join(rng.choices("abcdeäß", k=rng.randint(1, 9))) + rng.choice(["", "", ",", ".", "?"])
        for _ in range(num_words)
    ]
    words = []
    for spelling in spellings:
        start_s = rng.uniform(-0.2, duration_s + 0.2)
        words.append(Word(spelling, start_s, start_s + rng.uniform(-0.1, 1.0)))
    if rng.random() < 0.8:
        words.sort(key=lambda word: word.start_s)
        words = [
            Word(text, word.start_s, word.end_s)
            for text, word in zip(spellings, words, strict=True)
        ]
    text = rng.choice([" ", "  "]).join(spellings)
    pieces = [text[index : index + 3] for index in range(0, len(text), 3)]
    if rng.random() < 0.3:
        pieces.insert(rng.randrange(len(pieces)), "<unk>")
    return Hypothesis(text, tuple(words), tuple(Token(piece, -1.0) for piece in pieces))


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_the_decoder_says_nothing_is_lost_and_time_runs_forward(seed: int) -> None:
    rng = random.Random(seed)
    start_s, duration_s = rng.uniform(0, 3600), rng.uniform(0.5, 30)
    hypothesis = any_hypothesis(rng, duration_s)
    segments = segments_of(hypothesis, start_s, duration_s)

    assert segments == segments_of(hypothesis, start_s, duration_s)
    assert " ".join(segment.text for segment in segments) == " ".join(hypothesis.text.split())
    words = [word for segment in segments for word in segment.words or ()]
    assert [word.text for word in words] == hypothesis.text.split()
    times = [time_s for word in words for time_s in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert start_s <= times[0]
    assert times[-1] <= start_s + duration_s + 1e-9
    for segment in segments:
        assert segment.words
        assert segment.start_s == segment.words[0].start_s
        assert segment.end_s == segment.words[-1].end_s
    assert [token for s in segments for token in s.tokens or ()] == list(hypothesis.tokens or ())
