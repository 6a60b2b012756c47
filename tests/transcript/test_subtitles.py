import html
import random
import re
from dataclasses import replace
from itertools import pairwise

import pytest

from serve_app.transcript.subtitles import srt, vtt
from serve_app.transcript.subtitles.cues import (
    MAX_CHARACTERS_PER_S,
    MAX_CUE_S,
    MAX_LINE_CHARACTERS,
    MAX_LINES,
    MIN_CUE_S,
    Cue,
    cues_of,
)
from serve_app.transcript.types import Segment, Transcript, Word

SEEDS = range(200)
_TIMES = re.compile(r"(\d+):(\d\d):(\d\d)[.,](\d{3}) --> (\d+):(\d\d):(\d\d)[.,](\d{3})")


def any_transcript(rng: random.Random) -> Transcript:
    segments: list[Segment] = []
    now_s = rng.uniform(0, 4000)
    for _ in range(rng.randrange(8)):
        words: list[Word] = []
        for _ in range(rng.randrange(1, 60)):
            spelling = "".join(rng.choices("abc<>&", k=rng.randint(1, 12)))
            end_s = now_s + rng.uniform(0, 0.8)
            words.append(Word(spelling + rng.choice(["", "", "", ","]), now_s, end_s))
            now_s = end_s + rng.uniform(0, 0.6)
        text = " ".join(word.text for word in words)
        timed = tuple(words) if rng.random() < 0.7 else None
        segments.append(Segment(text, words[0].start_s, words[-1].end_s, timed))
    return Transcript(tuple(segments), now_s, "tiny")


def parsed(subtitles: str) -> list[tuple[int, int, list[str]]]:
    """Start and end in milliseconds, and the lines, of each cue."""
    cues: list[tuple[int, int, list[str]]] = []
    for block in subtitles.removeprefix("WEBVTT\n\n").strip("\n").split("\n\n"):
        lines = block.split("\n")
        while lines and not _TIMES.fullmatch(lines[0]):
            lines.pop(0)
        if lines and (match := _TIMES.fullmatch(lines[0])):
            parts = [int(part) for part in match.groups()]
            start, end = (
                ((h * 60 + m) * 60 + s) * 1000 + ms for h, m, s, ms in (parts[:4], parts[4:])
            )
            cues.append((start, end, lines[1:]))
    return cues


@pytest.mark.parametrize("seed", SEEDS)
def test_subtitles_read_back_have_the_same_words_in_order_of_time(seed: int) -> None:
    transcript = any_transcript(random.Random(seed))
    for cues in (
        parsed(srt(transcript)),
        [
            (a, b, [html.unescape(line) for line in lines])
            for a, b, lines in parsed(vtt(transcript))
        ],
    ):
        assert " ".join(" ".join(lines) for _, _, lines in cues) == transcript.text
        starts = [start for start, _, _ in cues]
        assert starts == sorted(starts)
        assert all(start < end for start, end, _ in cues)


@pytest.mark.parametrize("seed", SEEDS)
def test_timed_cues_keep_to_two_short_lines_and_seven_seconds(seed: int) -> None:
    transcript = any_transcript(random.Random(seed))
    timed = [segment for segment in transcript.segments if segment.words is not None]
    for cue in cues_of(timed):
        assert len(cue.lines) <= MAX_LINES
        assert max(map(len, cue.lines)) <= MAX_LINE_CHARACTERS
        assert cue.end_ms - cue.start_ms <= MAX_CUE_S * 1000 + 1


@pytest.mark.parametrize("seed", SEEDS)
def test_cues_are_apart_and_stand_as_long_as_the_next_one_lets_them(seed: int) -> None:
    cues = list(cues_of(any_transcript(random.Random(seed)).segments))
    for cue, following in pairwise(cues):
        assert cue.end_ms <= following.start_ms
        is_cut_short = cue.end_ms == following.start_ms
        assert is_cut_short or cue.end_ms - cue.start_ms >= MIN_CUE_S * 1000 - 1
        assert is_cut_short or characters_per_s(cue) <= MAX_CHARACTERS_PER_S + 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_spoken_at_a_walking_pace_can_be_read(seed: int) -> None:
    """Two words a second at most: nothing has to be cut short."""
    rng = random.Random(seed)
    words, now_s = [], 0.0
    for _ in range(rng.randint(1, 80)):
        end_s = now_s + rng.uniform(0.4, 0.8)
        words.append(Word("a" * rng.randint(1, 10) + rng.choice(["", "", ",", "."]), now_s, end_s))
        now_s = end_s + rng.uniform(0.1, 0.3)
    text = " ".join(word.text for word in words)
    for cue in cues_of([Segment(text, 0.0, now_s, tuple(words))]):
        assert cue.end_ms - cue.start_ms >= MIN_CUE_S * 1000 - 1
        assert characters_per_s(cue) <= MAX_CHARACTERS_PER_S + 0.1


def characters_per_s(cue: Cue) -> float:
    return 1000 * len(" ".join(cue.lines)) / (cue.end_ms - cue.start_ms)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cue_has_one_voice_and_each_voice_all_of_its_words(seed: int) -> None:
    """Two channels at once: segments in order of their starts, as a server merges them."""
    rng = random.Random(seed)
    segments = [
        replace(segment, channel=channel)
        for channel in (0, 1)
        for segment in any_transcript(rng).segments
    ]
    segments.sort(key=lambda segment: segment.start_s)
    cues = list(cues_of(segments, shows_voices=True))
    for voice in ("Channel 0", "Channel 1"):
        said = " ".join(segment.text for segment in segments if segment.voice == voice)
        assert " ".join(line for cue in cues if cue.voice == voice for line in cue.lines) == said
    for cue, following in pairwise(cues):
        assert cue.start_ms < cue.end_ms <= following.start_ms
    for cue in cues:
        first, *rest = cue.lines
        assert max(map(len, [f"[{cue.voice}] {first}", *rest])) <= MAX_LINE_CHARACTERS


def test_srt_is_numbered_and_exact() -> None:
    segments = (Segment("Hello.", 0.0, 1.5), Segment("A & B", 3661.0015, 3662.0))
    assert srt(Transcript(segments, 4000.0, "tiny")) == (
        "1\n00:00:00,000 --> 00:00:01,500\nHello.\n\n2\n01:01:01,002 --> 01:01:02,000\nA & B\n\n"
    )


def test_vtt_has_its_header_and_escapes() -> None:
    segments = (Segment("a --> <b> & c", 0.0, 1.5),)
    assert vtt(Transcript(segments, 2.0, "tiny")) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\na --&gt; &lt;b&gt; &amp; c\n\n"
    )


def test_nothing_said_is_an_empty_file() -> None:
    silence = Transcript((), 2.0, "tiny")
    assert (srt(silence), vtt(silence)) == ("", "WEBVTT\n\n")


def test_a_segment_without_word_times_keeps_its_own_however_long() -> None:
    (cue,) = cues_of([Segment("word " * 60, 5.0, 35.0)])
    assert (cue.start_ms, cue.end_ms) == (5000, 35000)
    assert max(map(len, cue.lines)) <= MAX_LINE_CHARACTERS


def spoken(text: str, *, word_s: float = 0.3, language: str | None = "en") -> Segment:
    words = tuple(
        Word(word, index * word_s, (index + 1) * word_s) for index, word in enumerate(text.split())
    )
    return Segment(text, 0.0, len(words) * word_s, words, language=language)


def test_a_cue_rather_ends_with_a_clause() -> None:
    first, _ = cues_of(
        [
            spoken(
                "When the night has come and the land is dark, and the moon is the only light we "
                "will see"
            )
        ]
    )
    assert first.lines == ("When the night has come", "and the land is dark,")


@pytest.mark.parametrize(
    ("language", "lines"),
    [
        ("en", ("She has been waiting for a long time", "in the house by the river again")),
        ("de", ("Wir haben lange auf Antwort gehofft", "und dann einen Brief bekommen")),
        ("fr", ("Nous avons attendu toute la journée", "dans la petite maison de pierre")),
        ("es", ("Hemos esperado muchísimo tiempo", "para recibir una respuesta tuya")),
    ],
)
def test_a_line_rather_ends_before_a_preposition_or_a_conjunction(
    language: str, lines: tuple[str, str]
) -> None:
    (cue,) = cues_of([spoken(" ".join(lines), language=language)])
    assert cue.lines == lines


def test_lines_without_a_better_place_are_even_or_the_lower_is_longer() -> None:
    (cue,) = cues_of([spoken("aaaa " * 12)])
    assert cue.lines == ("aaaa " * 5 + "aaaa", "aaaa " * 5 + "aaaa")
    (cue,) = cues_of([spoken("aaaa " * 11)])
    assert cue.lines == ("aaaa " * 4 + "aaaa", "aaaa " * 5 + "aaaa")


def test_short_sentences_share_a_cue_and_long_pauses_part_them() -> None:
    yes = Segment("Yes.", 0.0, 0.3, (Word("Yes.", 0.0, 0.3),))

    def no(start_s: float) -> Segment:
        return Segment("No.", start_s, start_s + 0.3, (Word("No.", start_s, start_s + 0.3),))

    assert [cue.lines for cue in cues_of([yes, no(0.5)])] == [("Yes. No.",)]
    assert [cue.lines for cue in cues_of([yes, no(3.0)])] == [("Yes.",), ("No.",)]


def test_a_short_cue_stays_until_it_is_read_or_the_next_one_comes() -> None:
    alone = Segment("Incomprehensibilities.", 1.0, 1.2)
    (cue,) = cues_of([alone])
    assert (cue.start_ms, cue.end_ms) == (1000, 2048)
    cue, _ = cues_of([alone, Segment("What?", 1.5, 3.0)])
    assert (cue.start_ms, cue.end_ms) == (1000, 1500)


def test_a_word_longer_than_a_line_stands_alone() -> None:
    lines = [cue.lines for cue in cues_of([spoken(f"the {'x' * 50} is")])]
    assert lines == [("the",), ("x" * 50,), ("is",)]


def test_voices_are_shown_as_each_format_shows_them() -> None:
    segments = (
        replace(spoken("Good morning."), speaker="A"),
        Segment("And you?", 1.0, 2.0, speaker="B", channel=1),
        Segment("Fine.", 2.0, 3.0, channel=0),
    )
    transcript = Transcript(segments, 3.0, "tiny")
    assert [block.split("\n")[2] for block in srt(transcript).strip().split("\n\n")] == [
        "[Speaker A] Good morning.",
        "[Speaker B] And you?",
        "[Channel 0] Fine.",
    ]
    assert [block.split("\n")[1] for block in vtt(transcript).strip().split("\n\n")[1:]] == [
        "<v Speaker A>Good morning.",
        "<v Speaker B>And you?",
        "<v Channel 0>Fine.",
    ]
