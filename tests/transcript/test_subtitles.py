import html
import random
import re

import pytest

from serve_app.transcript.subtitles import (
    MAX_CUE_S,
    MAX_LINE_CHARACTERS,
    MAX_LINES,
    cues_of,
    srt,
    vtt,
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


def test_a_cue_rather_ends_with_a_clause() -> None:
    text = (
        "When the night has come and the land is dark, and the moon is the only light we will see"
    )
    words = tuple(
        Word(word, index * 0.3, index * 0.3 + 0.3) for index, word in enumerate(text.split())
    )
    first, _ = cues_of([Segment(text, 0.0, 6.0, words)])
    assert " ".join(first.lines).endswith("dark,")
