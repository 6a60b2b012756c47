"""Whose words are whose: by turns that overlap, by those that are near, and in pieces."""

import random

import pytest

from serve_app.transcript.joining.speakers import NEAR_S, Attribution, Turn, TurnRules, Turns
from serve_app.transcript.types import Segment, Token, Word

FRAME_S = 0.08
NO_RULES = TurnRules(min_turn_s=0.0, min_pause_s=0.0)


def heard(*rows: list[float], rules: TurnRules = NO_RULES) -> Turns:
    """The turns by the probabilities of each speaker, a row each; the recording has ended."""
    turns = Turns(rules, num_speakers=len(rows), frame_s=FRAME_S)
    turns.hear(bytes(round(255 * each) for frame in zip(*rows, strict=True) for each in frame))
    turns.end()
    return turns


def spoken(*spans: tuple[float, float], until_s: float = 12.0) -> list[float]:
    """Probabilities of one who speaks in these spans."""
    frames = range(round(until_s / FRAME_S))
    return [
        0.9 if any(start <= frame * FRAME_S < end for start, end in spans) else 0.1
        for frame in frames
    ]


def spans_of(turns: Turns) -> list[tuple[int, int, int]]:
    return [
        (turn.speaker, round(turn.start_s / FRAME_S), round(turn.end_s / FRAME_S))
        for turn in turns.all()
    ]


def said(*words: tuple[str, float, float]) -> Segment:
    timed = tuple(Word(*word) for word in words)
    text = " ".join(word.text for word in timed)
    return Segment(text, timed[0].start_s, timed[-1].end_s, timed)


def test_a_turn_begins_at_the_onset_and_ends_below_the_offset() -> None:
    turns = heard([0.45, 0.5, 0.45, 0.41, 0.39, 0.45, 0.49], rules=NO_RULES)
    assert spans_of(turns) == [(0, 1, 4)]


def test_short_pauses_are_closed_before_short_turns_are_dropped() -> None:
    rules = TurnRules(min_turn_s=0.24, min_pause_s=0.24)
    apart = [0.9, 0.9, 0.1, 0.1, 0.1, 0.9, 0.9]
    assert spans_of(heard(apart, rules=rules)) == []
    near = [0.9, 0.9, 0.1, 0.1, 0.9, 0.9]
    assert spans_of(heard(near, rules=rules)) == [(0, 0, 6)]


def test_turns_of_several_speakers_may_overlap() -> None:
    turns = heard(spoken((0.0, 4.0)), spoken((3.2, 6.4)))
    assert spans_of(turns) == [(0, 0, 50), (1, 40, 80)]
    assert turns.all()[0] == Turn(0, 0.0, 4.0)


def test_a_segment_is_cut_where_its_speaker_changes() -> None:
    turns = heard(spoken((4.0, 8.0)), spoken((0.0, 4.0)))
    segment = said(("Yes?", 3.2, 3.7), ("No.", 4.1, 4.4), ("Never.", 4.5, 5.0))
    first, second = Attribution(turns).split(segment)
    assert (first.text, first.speaker, first.start_s, first.end_s) == ("Yes?", "A", 3.2, 3.7)
    assert (second.text, second.speaker, second.start_s, second.end_s) == (
        "No. Never.",
        "B",
        4.1,
        5.0,
    )
    assert second.words == segment.words[1:] if segment.words else False


def test_letters_go_by_first_words_not_by_the_models_numbers() -> None:
    turns = heard(spoken((4.0, 5.0)), spoken((8.0, 9.0)), spoken((0.0, 1.0)))
    attribution = Attribution(turns)
    words = [("c", 0.2, 0.5), ("a", 4.2, 4.5), ("b", 8.2, 8.5), ("c", 0.6, 0.8)]
    assert [attribution.split(said(word))[0].speaker for word in words] == ["A", "B", "C", "A"]


@pytest.mark.parametrize(
    ("word", "speaker"),
    [
        ((1.0, 1.4), 0),  # within
        ((3.5, 4.3), 0),  # more of the first
        ((3.9, 4.7), 1),  # more of the second
        ((4.8, 5.0), 1),  # in the midst of both: who fell in
        ((5.8, 5.9), 1),  # nobody: who spoke before is nearer
        ((7.8, 7.9), 0),  # nobody: who comes is nearer
        ((8.0, 8.0), 0),  # of no length
        ((30.0, 31.0), 0),  # long after
    ],
)
def test_a_word_goes_to_who_speaks_most_of_it_or_nearest(
    word: tuple[float, float], speaker: int
) -> None:
    turns = heard(spoken((0.0, 5.2), (8.0, 9.0)), spoken((4.0, 5.6)))
    if word == (3.9, 4.7):  # the first has paused there
        turns = heard(spoken((0.0, 4.0), (8.0, 9.0)), spoken((4.0, 5.6)))
    assert turns.speaker_of(*word) == speaker


def test_nobody_far_and_wide_is_nobody() -> None:
    turns = heard(spoken((10.0, 11.0)))
    assert turns.speaker_of(1.0, 2.0) is None
    assert turns.speaker_of(10.0 - NEAR_S, 10.0 - NEAR_S + 0.1) == 0
    assert Attribution(turns).split(said(("who", 1.0, 2.0)))[0].speaker is None


def test_without_word_times_a_segment_goes_whole_to_who_speaks_most() -> None:
    turns = heard(spoken((0.0, 1.0)), spoken((1.0, 4.0)))
    attribution = Attribution(turns)
    untimed = Segment("Yes? No. Never.", 0.0, 4.0, None, (Token("▁Yes", -0.1),))
    (segment,) = attribution.split(untimed)
    assert (segment.text, segment.speaker, segment.tokens) == (
        "Yes? No. Never.",
        "A",
        untimed.tokens,
    )
    reworded = Segment("2", 0.0, 1.0, (Word("two", 0.0, 1.0),))
    assert [(part.text, part.speaker) for part in attribution.split(reworded)] == [("2", "B")]


def random_rows(rng: random.Random, num_speakers: int, num_frames: int) -> list[list[float]]:
    rows = []
    for _ in range(num_speakers):
        row: list[float] = []
        while len(row) < num_frames:
            row.extend([rng.choice((0.05, 0.3, 0.45, 0.55, 0.95))] * rng.randint(1, 40))
        rows.append(row[:num_frames])
    return rows


def random_segments(rng: random.Random, until_s: float) -> list[Segment]:
    segments, now_s = [], 0.0
    while now_s < until_s:
        words = []
        for _ in range(rng.randint(1, 12)):
            start_s = now_s + rng.choice((0.0, 0.1, 0.7, 6.0 * rng.random() ** 8))
            now_s = start_s + rng.choice((0.0, 0.08, 0.3, 1.1))
            words.append(Word(f"w{rng.randint(0, 99)}", start_s, now_s))
        text = " ".join(word.text for word in words)
        tokens = tuple(Token(f"▁{word.text}", -1.0) for word in words)
        timed = None if rng.random() < 0.2 else tuple(words)
        segments.append(Segment(text, words[0].start_s, words[-1].end_s, timed, tokens))
    return segments


def test_every_word_is_kept_once_and_in_order_whatever_is_heard() -> None:
    for seed in range(300):
        rng = random.Random(seed)
        segments = random_segments(rng, 30.0)
        turns = heard(*random_rows(rng, 4, 400), rules=TurnRules())
        attribution = Attribution(turns)
        parts = [part for segment in segments for part in attribution.split(segment)]
        assert " ".join(part.text for part in parts) == " ".join(each.text for each in segments)
        assert [word for part in parts for word in part.words or ()] == [
            word for segment in segments for word in segment.words or ()
        ]
        assert [token for part in parts for token in part.tokens or ()] == [
            token for segment in segments for token in segment.tokens or ()
        ]
        assert all(part.start_s <= part.end_s for part in parts)
        letters = [part.speaker for part in parts if part.speaker is not None]
        assert sorted(set(letters)) == list("ABCD")[: len(set(letters))]
        assert [*dict.fromkeys(letters)] == sorted(set(letters))


def test_what_is_decided_stays_so_however_the_recording_is_cut() -> None:
    num_early = 0
    for seed in range(200):
        rng = random.Random(seed)
        rules = TurnRules(
            min_turn_s=rng.choice((0.0, 0.24, 0.8)), min_pause_s=rng.choice((0.0, 0.4))
        )
        rows = random_rows(rng, 4, 400)
        segments = random_segments(rng, 30.0)
        whole = Attribution(heard(*rows, rules=rules))
        expected = [part for segment in segments for part in whole.split(segment)]
        turns = Turns(rules, num_speakers=4, frame_s=FRAME_S)
        attribution = Attribution(turns)
        waiting, parts, frame = list(segments), [], 0
        while frame < 400:
            num_frames = rng.randint(1, 60)
            piece = [row[frame : frame + num_frames] for row in rows]
            turns.hear(
                bytes(round(255 * each) for values in zip(*piece, strict=True) for each in values)
            )
            frame += num_frames
            while waiting and attribution.is_decided(waiting[0]):
                parts.extend(attribution.split(waiting.pop(0)))
                num_early += 1
        turns.end()
        assert all(attribution.is_decided(segment) for segment in waiting)
        parts.extend(part for segment in waiting for part in attribution.split(segment))
        assert parts == expected
    assert num_early > 500


def test_a_word_waits_no_longer_than_it_may() -> None:
    turns = Turns(TurnRules(), num_speakers=2, frame_s=FRAME_S)
    nobody = bytes(2)
    for _ in range(round((1.0 + NEAR_S + 0.48) / FRAME_S)):
        turns.hear(nobody)
    assert turns.is_decided(0.5, 0.9)
    assert not turns.is_decided(0.5, 1.2)
