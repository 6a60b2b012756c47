"""A transcript, in; an SRT or WebVTT file, out.

Cues are cut as subtitlers do: at most two lines of 42 characters and 7 seconds, better at a clause
than in the middle of one. They are cut between words whose times are known; a segment without word
times stays one cue, however long, because its inner times would be made up.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from serve_app.transcript.types import Segment, Transcript, Word

MAX_LINE_CHARACTERS = 42
MAX_LINES = 2
MAX_CUE_S = 7.0
"""These three: the customs of broadcast subtitling, e.g. Netflix's timed text style guide."""

_CLAUSE_ENDS = (",", ";", ":", ".", "?", "!", "…")


@dataclass(frozen=True, slots=True)
class Cue:
    """What stands on the screen at once. Times count from the start of the recording."""

    lines: tuple[str, ...]
    start_ms: int
    end_ms: int


def srt(transcript: Transcript) -> str:
    """SubRip: numbered cues, a comma before the milliseconds."""
    return "".join(
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n"
        + "\n".join(cue.lines)
        + "\n\n"
        for number, cue in enumerate(cues_of(transcript.segments), start=1)
    )


def vtt(transcript: Transcript) -> str:
    """WebVTT; `&`, `<` and `>` are escaped, as it demands."""
    return "WEBVTT\n\n" + "".join(
        f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n"
        + "\n".join(escape(line, quote=False) for line in cue.lines)
        + "\n\n"
        for cue in cues_of(transcript.segments)
    )


def cues_of(segments: Iterable[Segment]) -> Iterator[Cue]:
    """Cues in order. Each lasts a millisecond at least: WebVTT refuses a cue of no length."""
    for segment in segments:
        if segment.words is None:
            yield _cue(segment.text.split(), segment.start_s, segment.end_s)
            continue
        for words in _cut(segment.words):
            yield _cue([word.text for word in words], words[0].start_s, words[-1].end_s)


def _cue(words: Sequence[str], start_s: float, end_s: float) -> Cue:
    start_ms = round(start_s * 1000)
    return Cue(_lines(words), start_ms, max(round(end_s * 1000), start_ms + 1))


def _cut(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    while words:
        size = _num_fitting(words)
        if size < len(words):
            size = _back_to_clause(words, size)
        yield words[:size]
        words = words[size:]


def _num_fitting(words: Sequence[Word]) -> int:
    """How many of the first words fit one cue; one at least."""
    start_s = words[0].start_s
    line, num_lines = len(words[0].text), 1
    for size, word in enumerate(words[1:], start=1):
        line += 1 + len(word.text)
        if line > MAX_LINE_CHARACTERS:
            num_lines += 1
            line = len(word.text)
        if num_lines > MAX_LINES or word.end_s - start_s > MAX_CUE_S:
            return size
    return len(words)


def _back_to_clause(words: Sequence[Word], size: int) -> int:
    """The last end of a clause in the second half of what fits, if there is one."""
    for shorter in range(size, size // 2, -1):
        if words[shorter - 1].text.endswith(_CLAUSE_ENDS):
            return shorter
    return size


def _lines(words: Sequence[str]) -> tuple[str, ...]:
    """One line if it fits, else two of lengths as even as can be, else as many as it takes."""
    whole = " ".join(words)
    if len(whole) <= MAX_LINE_CHARACTERS:
        return (whole,)
    if len(whole) <= 2 * MAX_LINE_CHARACTERS + 1:
        halves = [(" ".join(words[:cut]), " ".join(words[cut:])) for cut in range(1, len(words))]
        fitting = [pair for pair in halves if max(map(len, pair)) <= MAX_LINE_CHARACTERS]
        if fitting:
            return min(fitting, key=lambda pair: abs(len(pair[0]) - len(pair[1])))
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + 1 + len(word) <= MAX_LINE_CHARACTERS:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return tuple(lines)


def _clock(time_ms: int, mark: str) -> str:
    seconds, milliseconds = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{milliseconds:03}"
