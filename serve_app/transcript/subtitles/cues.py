"""Segments, in; what stands on the screen at once, out.

Cues are cut as subtitlers do (phrasing.py). Among all ways to cut the words of one voice into cues
of at most two lines, the cheapest is taken: good places to break, long enough to be read, no
pauses within. A segment without word times stays one cue, however long, because its inner times
would be made up.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from serve_app.transcript.subtitles.phrasing import BEHIND_SENTENCE, break_cost, ends_sentence
from serve_app.transcript.types import Segment, Word

MAX_LINE_CHARACTERS = 42
MAX_LINES = 2
MAX_CUE_S = 7.0
MIN_CUE_S = 5 / 6
MAX_CHARACTERS_PER_S = 21.0
"""These five: the customs of broadcast subtitling, e.g. Netflix's timed text style guide. A cue
lasts longer than its words where it could not be read otherwise and the next one leaves room."""

_GOOD_CUE_S = 1.0
_MAX_PAUSE_S = 0.5
"""Within a cue, for nothing."""

_PER_CUE = 2.5
_PER_BREAK_BETWEEN_CUES = 2.5
_PER_BREAK_BETWEEN_LINES = 0.7
"""Times the cost of the place, which hurts less within what is read at once."""
_PER_SENTENCE_WITHIN = 1.5
_PER_PAUSE_S = 6.0
_PER_MISSING_S = 20.0
_PER_HASTE = 0.5
"""For each character a second too many."""
_PER_CHARACTER_TOP_HEAVY = 0.15
_PER_CHARACTER_BOTTOM_HEAVY = 0.05
"""Of the difference of two lines: they had best be even, or the lower the longer one."""

_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Cue:
    """What stands on the screen at once. Times count from the start of the recording."""

    lines: tuple[str, ...]
    start_ms: int
    end_ms: int
    voice: str | None = None
    """Who says it: see `Segment.voice`."""


def cues_of(segments: Iterable[Segment], *, shows_voices: bool = False) -> Iterator[Cue]:
    """Cues in order of time, none of which reaches into the next; each lasts a millisecond at
    least: WebVTT refuses a cue of no length. With `shows_voices` the first line of each leaves room
    for its `label`."""
    cues = [cue for run in _runs(segments) for cue in _cues_of_run(run, shows_voices)]
    cues.sort(key=lambda cue: cue.start_ms)  # voices may speak at once
    return _in_time(cues)


def label(voice: str | None) -> str:
    """What stands in front of what somebody says; nothing where there is one voice."""
    return "" if voice is None else f"[{voice}] "


def _runs(segments: Iterable[Segment]) -> Iterator[list[Segment]]:
    """Neighbouring segments that may share cues: of one voice and language, with word times."""
    run: list[Segment] = []
    for segment in segments:
        if run and not (
            run[-1].words is not None
            and segment.words is not None
            and (run[-1].voice, run[-1].language) == (segment.voice, segment.language)
        ):
            yield run
            run = []
        if segment.words or (segment.words is None and segment.text.strip()):
            run.append(segment)
    if run:
        yield run


def _cues_of_run(run: Sequence[Segment], shows_voices: bool) -> Iterator[Cue]:
    first = run[0]
    indent = len(label(first.voice)) if shows_voices else 0
    if first.words is None:
        spelt = first.text.split()
        costs = [break_cost(*pair, first.language) for pair in pairwise(spelt)]
        lines = tuple(_lines(spelt, costs, indent))
        yield _cue(lines, first.start_s, first.end_s, first.voice)
        return
    words = [word for segment in run for word in segment.words or ()]
    spelt = [word.text for word in words]
    costs = [break_cost(*pair, first.language) for pair in pairwise(spelt)]
    place = 0
    for segment in run[:-1]:
        place += len(segment.words or ())
        costs[place - 1] = BEHIND_SENTENCE
    for begin, end in _cut(words, costs, indent):
        lines = tuple(_lines(spelt[begin:end], costs[begin : end - 1], indent))
        end_s = min(words[end - 1].end_s, words[begin].start_s + MAX_CUE_S)
        yield _cue(lines, words[begin].start_s, end_s, first.voice)


def _cue(lines: tuple[str, ...], start_s: float, end_s: float, voice: str | None) -> Cue:
    start_ms = round(start_s * 1000)
    return Cue(lines, start_ms, max(round(end_s * 1000), start_ms + 1), voice)


def _cut(words: Sequence[Word], costs: Sequence[float], indent: int) -> list[tuple[int, int]]:
    """The cheapest way to cut words into cues, each from one word to before another."""
    num_words = len(words)
    starts_s = [word.start_s for word in words]
    lengths = [len(word.text) for word in words]
    pauses_s = [b.start_s - a.end_s for a, b in pairwise(words)]
    sentences = [ends_sentence(word.text) for word in words]
    best = [0.0] + [_NEVER] * num_words
    came_from = [0] * (num_words + 1)
    for begin in range(num_words):
        within, num_characters = best[begin] + _PER_CUE, indent - 1
        for end in range(begin + 1, num_words + 1):
            num_characters += 1 + lengths[end - 1]
            duration_s = words[end - 1].end_s - starts_s[begin]
            if end > begin + 1:
                within += _PER_SENTENCE_WITHIN * sentences[end - 2]
                within += _PER_PAUSE_S * max(0.0, pauses_s[end - 2] - _MAX_PAUSE_S)
                if num_characters > MAX_LINES * MAX_LINE_CHARACTERS + 1 or duration_s > MAX_CUE_S:
                    break
            cost = within
            if num_characters > MAX_LINE_CHARACTERS and end > begin + 1:
                cost += _best_break(lengths[begin:end], costs[begin : end - 1], indent)[0]
            room_s = _NEVER
            if end < num_words:
                cost += _PER_BREAK_BETWEEN_CUES * costs[end - 1]
                room_s = starts_s[end] - starts_s[begin]
            cost += _haste(num_characters, duration_s, room_s)
            if cost < best[end]:
                best[end], came_from[end] = cost, begin
    cuts, end = [], num_words
    while end:
        cuts.append((came_from[end], end))
        end = came_from[end]
    return cuts[::-1]


def _best_break(lengths: Sequence[int], costs: Sequence[float], indent: int) -> tuple[float, int]:
    """What it costs to write words in two lines, and before which word the second begins."""
    best, place = _NEVER, 0
    upper, lower = indent - 1, sum(lengths) + len(lengths) - 1
    for index, length in enumerate(lengths[:-1]):
        upper += 1 + length
        lower -= 1 + length
        if upper > MAX_LINE_CHARACTERS:
            break
        if lower > MAX_LINE_CHARACTERS:
            continue
        heavier = upper - lower
        per_character = _PER_CHARACTER_TOP_HEAVY if heavier > 0 else _PER_CHARACTER_BOTTOM_HEAVY
        cost = _PER_BREAK_BETWEEN_LINES * costs[index] + per_character * abs(heavier)
        if cost < best:
            best, place = cost, index + 1
    return best, place


def _haste(num_characters: int, duration_s: float, room_s: float) -> float:
    """What it costs that a cue stands too short to be read, as long as the next one lets it."""
    shown_s = max(0.001, min(room_s, max(duration_s, _needed_s(num_characters), _GOOD_CUE_S)))
    missing_s = 0.3 * max(0.0, _GOOD_CUE_S - shown_s) + max(0.0, MIN_CUE_S - shown_s)
    too_many = max(0.0, min(num_characters / shown_s, 100.0) - MAX_CHARACTERS_PER_S)
    return _PER_MISSING_S * missing_s + _PER_HASTE * too_many


def _needed_s(num_characters: int) -> float:
    return min(MAX_CUE_S, max(MIN_CUE_S, num_characters / MAX_CHARACTERS_PER_S))


def _lines(spelt: Sequence[str], costs: Sequence[float], indent: int) -> list[str]:
    """One line if it fits, else the best two, else as many as it takes."""
    whole = " ".join(spelt)
    if indent + len(whole) <= MAX_LINE_CHARACTERS:
        return [whole]
    _, place = _best_break([len(word) for word in spelt], costs, indent)
    if place:
        return [" ".join(spelt[:place]), " ".join(spelt[place:])]
    lines = [spelt[0]]
    for word in spelt[1:]:
        taken = len(lines[-1]) + (indent if len(lines) == 1 else 0)
        if taken + 1 + len(word) <= MAX_LINE_CHARACTERS:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines


def _in_time(cues: Sequence[Cue]) -> Iterator[Cue]:
    """Each cue for as long as it takes to read, where the next one leaves room.

    Where two voices speak at once the second has to wait until the first could be seen at all.
    """
    earliest_ms = 0
    for index, cue in enumerate(cues):
        start_ms = max(cue.start_ms, earliest_ms)
        said_ms = max(cue.end_ms - start_ms, 1)
        needed_ms = round(1000 * _needed_s(sum(map(len, cue.lines)) + len(cue.lines) - 1))
        end_ms = start_ms + max(said_ms, needed_ms)
        if index + 1 < len(cues):
            seen_ms = min(said_ms, round(1000 * MIN_CUE_S))
            end_ms = min(end_ms, max(cues[index + 1].start_ms, start_ms + seen_ms))
        earliest_ms = end_ms
        yield replace(cue, start_ms=start_ms, end_ms=end_ms)
