"""Numbers as digits and words masked, with times and tokens that stay where they were."""

import random
from pathlib import Path

import pytest

from serve_app.errors import ConfigError
from serve_app.pipelines.transcription import Wording
from serve_app.pipelines.wording import NUMBER_LANGUAGES, Wordsmith, read_profanity
from serve_app.transcript.types import Segment, Token, Word

DIGITS = Wording(numbers=True)
MASKED = Wording(mask_profanity=True)

NUMBERS = [
    ("en", "call twenty one, thirty two and one hundred and five.", "call 21, 32 and 105."),
    ("en", "Zero zero seven", "007"),
    ("en", "Twenty-five dollars, please", "25 dollars, please"),
    ("en", "The twenty-first of May two thousand and twenty five", "The 21st of May 2025"),
    ("en", "three point one four percent", "3.14 percent"),
    ("en", "two point five million people", "2.5 million people"),
    ("en", "one million people", "1000000 people"),
    ("en", "It is one of them, no one knows", "It is one of them, no one knows"),
    ("en", "one, two, three", "1, 2, 3"),
    ("en", "(forty two)", "(42)"),
    ("de", "Das kostet einundzwanzig Euro fünfzig.", "Das kostet 21 Euro 50."),
    ("fr", "vingt et un, quatre-vingt-dix-sept", "21, 97"),
    ("es", "tengo treinta y dos gatos", "tengo 32 gatos"),
    ("ru", "двадцать один рубль", "двадцать один рубль"),
    (None, "twenty one", "twenty one"),
]


def segment(text: str, *, language: str | None = "en", tokens: bool = True) -> Segment:
    """Words of a quarter second each; a token for each, cut in two where it is long."""
    spelt = text.split()
    words = tuple(
        Word(word, index * 0.25, index * 0.25 + 0.2, round(0.5 + index / 100, 2))
        for index, word in enumerate(spelt)
    )
    pieces = [piece for word in spelt for piece in ("▁" + word[:3], word[3:]) if piece]
    said = tuple(Token(piece, -0.5) for piece in pieces) if tokens else None
    return Segment(text, 0.0, len(spelt) * 0.25, words, said, language)


def worded(part: Segment, wording: Wording, *profanity: str) -> Segment:
    found = Wordsmith(profanity).worded(part, wording)
    assert isinstance(found, Segment)
    return found


def check_consistent(part: Segment) -> None:
    assert part.words is not None
    assert part.tokens is not None
    assert " ".join(word.text for word in part.words) == part.text
    assert "".join(token.text for token in part.tokens).replace("▁", " ").strip() == part.text


@pytest.mark.parametrize(("language", "said", "written"), NUMBERS)
def test_numbers_become_digits(language: str | None, said: str, written: str) -> None:
    found = worded(segment(said, language=language), DIGITS)
    assert found.text == written
    check_consistent(found)


def test_a_number_spans_the_words_that_said_it() -> None:
    found = worded(segment("call one hundred and five now"), DIGITS)
    assert found.words == (
        Word("call", 0.0, 0.2, 0.5),
        Word("105", 0.25, 1.2, 0.51),
        Word("now", 1.25, 1.45, 0.55),
    )


def test_a_number_has_one_token_as_likely_as_all_of_its_own() -> None:
    found = worded(segment("dial twenty one"), DIGITS)
    assert found.tokens == (
        Token("▁dia", -0.5),
        Token("l", -0.5),
        Token("▁21", -1.5),
    )


def test_nothing_is_asked_nothing_is_changed() -> None:
    said = segment("twenty one damned things")
    assert Wordsmith(["damned"]).worded(said, Wording()) is said


def test_without_times_and_tokens_the_text_changes_alone() -> None:
    said = Segment("twenty one", 0.0, 1.0, language="en")
    assert worded(said, DIGITS) == Segment("21", 0.0, 1.0, language="en")


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("Damn, that is DAMN loud", "D***, that is D*** loud"),
        ("damnation of the adamant", "damnation of the adamant"),
        ("son of a gun, a gun", "s** o* a g**, a gun"),
        ("Scheiße! Ärsche.", "S******! Ä*****."),
        ("a dam-n damn's", "a dam-n d***'s"),
    ],
)
def test_whole_words_and_phrases_are_masked(said: str, written: str) -> None:
    found = worded(segment(said), MASKED, "damn", "son of a gun", "scheiße", "ärsche")
    assert found.text == written
    check_consistent(found)
    before = segment(said).words
    assert found.words is not None
    assert before is not None
    assert [(w.start_s, w.end_s, w.confidence) for w in found.words] == [
        (w.start_s, w.end_s, w.confidence) for w in before
    ]


def test_no_token_tells_what_is_masked() -> None:
    found = worded(segment("well damned then"), MASKED, "damned")
    assert found.tokens is not None
    assert "ned" not in "".join(token.text for token in found.tokens)


@pytest.mark.parametrize("seed", range(300))
def test_random_segments_stay_consistent_and_in_time(seed: int) -> None:
    rng = random.Random(seed)
    vocabulary = "one two seven twenty thirty hundred thousand and point million cat damn son of"
    marks = ["", "", "", "", ",", ".", "?", "-five"]
    text = " ".join(
        rng.choice(vocabulary.split()) + rng.choice(marks) for _ in range(rng.randint(1, 25))
    )
    said = segment(text, language=rng.choice(NUMBER_LANGUAGES if seed % 2 else ("en",)))
    found = worded(said, Wording(numbers=True, mask_profanity=True), "damn", "son of")
    check_consistent(found)
    assert said.words is not None
    assert found.words is not None
    assert found.tokens is not None
    starts, ends = {w.start_s for w in said.words}, {w.end_s for w in said.words}
    edges = [(word.start_s, word.end_s) for word in found.words]
    assert all(start in starts and end in ends for start, end in edges)
    assert edges == sorted(edges)
    assert (edges[0][0], edges[-1][1]) == (said.words[0].start_s, said.words[-1].end_s)
    assert sum(token.logprob for token in found.tokens) == pytest.approx(
        sum(token.logprob for token in said.tokens or ())
    )


def test_a_list_has_a_phrase_a_line_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("# ours\ndamn\n\n son of a gun # mild\n", encoding="utf-8")
    assert read_profanity(str(path)) == ("damn", "son of a gun")


@pytest.mark.parametrize("content", [None, b"# nothing\n", b"\xff\xfe\xff"])
def test_a_list_that_is_none_is_a_mistake_of_the_configuration(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "words.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"preprocessor\.profanity_file"):
        Wordsmith.of(str(path))
