"""What was said, what the whole gave and what the parts gave alone, in; where they differ, out."""

import statistics
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, TypeVar

from loadtest.hours.chunks import Cut
from loadtest.hours.hearing import HeardWord, texts
from loadtest.hours.recording import Gap, Recording, Spoken
from loadtest.hours.sounds import Sound
from serve_app.wer import Errors, count_errors

_REACH_S = 0.4
"""Half the shortest gap: a word whose middle is farther from an utterance is none of it."""
_BESIDE_S = 0.1
"""A chunk that reaches so far into a gap has heard something of it."""

Context: TypeAlias = Literal[
    "by itself",
    "beside room noise",
    "beside a noise burst",
    "beside music",
    "with other utterances",
    "cut through",
    "in no chunk",
]
"""Where an utterance fell in the whole; the last that fits."""
CONTEXTS: tuple[Context, ...] = (
    "by itself",
    "beside room noise",
    "beside a noise burst",
    "beside music",
    "with other utterances",
    "cut through",
    "in no chunk",
)
_BESIDE: dict[Sound, Context] = {
    "music": "beside music",
    "noise burst": "beside a noise burst",
    "room noise": "beside room noise",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """One utterance: what was said, and what was heard of it."""

    spoken: Spoken
    whole: tuple[HeardWord, ...]
    """Within the whole."""
    alone: tuple[HeardWord, ...]
    again: tuple[HeardWord, ...]
    """Alone once more, a few milliseconds later."""
    context: Context

    @property
    def is_same(self) -> bool:
        return texts(self.whole) == texts(self.alone)

    @property
    def is_steady(self) -> bool:
        """Whether the model gives the same words alone, wherever its frames begin."""
        return texts(self.alone) == texts(self.again)

    @property
    def difference(self) -> Errors:
        """Of the whole, with what is heard alone for reference."""
        return count_errors(texts(self.alone), texts(self.whole))


@dataclass(frozen=True, slots=True)
class Stray:
    """A word of the whole where nobody spoke."""

    word: HeardWord
    sound: Sound
    """What was heard there instead."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds by which words are off, each with where it stands in the recording."""

    off_s: tuple[tuple[float, float], ...]

    def median_s(self, from_s: float = 0.0, to_s: float = float("inf")) -> float:
        """With its sign: what a drift adds to."""
        return statistics.median(self._within(from_s, to_s) or [0.0])

    def median_size_s(self) -> float:
        return statistics.median([abs(off) for off in self._within()] or [0.0])

    def worst_s(self, from_s: float = 0.0, to_s: float = float("inf")) -> float:
        return max((abs(off) for off in self._within(from_s, to_s)), default=0.0)

    def count(self, from_s: float = 0.0, to_s: float = float("inf")) -> int:
        return len(self._within(from_s, to_s))

    def _within(self, from_s: float = 0.0, to_s: float = float("inf")) -> list[float]:
        return [off for at_s, off in self.off_s if from_s <= at_s < to_s]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All utterances of a recording."""

    heard: tuple[Heard, ...]
    strays: tuple[Stray, ...]
    whole_vs_parts: Errors
    """Of all words in a row, with those of the parts for reference."""
    whole_vs_truth: Errors
    within_vs_truth: Errors
    """Of the words of the whole that fall into utterances."""
    parts_vs_truth: Errors
    again_vs_parts: Errors
    """Of the parts heard again a little later, with themselves for reference."""
    vs_alone: Timing
    """Of words that were heard the same both ways."""
    vs_truth: Timing
    """Of the middles of words in digit strings that were heard rightly in the whole."""
    alone_vs_truth: Timing
    """The same of the parts."""

    @property
    def differing(self) -> list[Heard]:
        return [each for each in self.heard if not each.is_same]


def compare(
    recording: Recording,
    whole: Sequence[HeardWord],
    parts: Sequence[tuple[HeardWord, ...]],
    again: Sequence[tuple[HeardWord, ...]],
    chunks: Sequence[Cut],
) -> Comparison:
    """`parts`, and the same heard `again`, are in the order of the recording's utterances."""
    within, strays = assign(whole, recording.utterances)
    heard = tuple(
        Heard(spoken, tuple(words), alone, once_more, context)
        for spoken, words, alone, once_more, context in zip(
            recording.utterances, within, parts, again, contexts(recording, chunks), strict=True
        )
    )
    said = [word.text for spoken in recording.utterances for word in spoken.words]
    apart = [word.text for words in parts for word in words]
    return Comparison(
        heard=heard,
        strays=tuple(Stray(word, _sound_at(word.middle_s, recording.gaps)) for word in strays),
        whole_vs_parts=count_errors(apart, texts(whole)),
        whole_vs_truth=count_errors(said, texts(whole)),
        within_vs_truth=count_errors(said, [word.text for words in within for word in words]),
        parts_vs_truth=count_errors(said, apart),
        again_vs_parts=count_errors(apart, [word.text for words in again for word in words]),
        vs_alone=Timing(tuple(_off_alone(heard))),
        vs_truth=Timing(tuple(_off_truth((h.spoken, h.whole) for h in heard))),
        alone_vs_truth=Timing(tuple(_off_truth((h.spoken, h.alone) for h in heard))),
    )


def assign(
    words: Iterable[HeardWord], utterances: Sequence[Spoken]
) -> tuple[list[list[HeardWord]], list[HeardWord]]:
    """To each utterance the words that fall into it, and the words that fall into none."""
    starts_s = [spoken.start_s for spoken in utterances]
    within: list[list[HeardWord]] = [[] for _ in utterances]
    strays = []
    for word in words:
        behind = bisect_left(starts_s, word.middle_s)
        near = [index for index in (behind - 1, behind) if 0 <= index < len(utterances)]
        nearest = min(near, key=lambda index: _apart_s(word, utterances[index]), default=None)
        if nearest is not None and _apart_s(word, utterances[nearest]) <= _REACH_S:
            within[nearest].append(word)
        else:
            strays.append(word)
    return within, strays


def contexts(recording: Recording, chunks: Sequence[Cut]) -> Iterator[Context]:
    """Where each utterance fell."""
    sounds = [gap for gap in recording.gaps if gap.sound != "silence"]
    for spoken in recording.utterances:
        holding = _overlapping(chunks, spoken)
        if not holding:
            yield "in no chunk"
        elif len(holding) > 1:
            yield "cut through"
        elif len(_overlapping(recording.utterances, holding[0])) > 1:
            yield "with other utterances"
        else:
            beside = {gap.sound for gap in _overlapping(sounds, holding[0], least_s=_BESIDE_S)}
            yield next((_BESIDE[sound] for sound in _BESIDE if sound in beside), "by itself")


class _Stretch(Protocol):
    @property
    def start_s(self) -> float: ...
    @property
    def end_s(self) -> float: ...


_S = TypeVar("_S", bound=_Stretch)


def _overlapping(ascending: Sequence[_S], other: _Stretch, least_s: float = 0.0) -> list[_S]:
    """Those that have more than `least_s` in common with `other`."""
    first = bisect_left(ascending, other.start_s + least_s, key=lambda each: each.end_s)
    found = []
    for each in ascending[first:]:
        if each.start_s >= other.end_s - least_s:
            break
        if min(each.end_s, other.end_s) - max(each.start_s, other.start_s) > least_s:
            found.append(each)
    return found


def _apart_s(word: HeardWord, spoken: Spoken) -> float:
    return max(0.0, spoken.start_s - word.middle_s, word.middle_s - spoken.end_s)


def _sound_at(at_s: float, gaps: Sequence[Gap]) -> Sound:
    return min(gaps, key=lambda gap: max(0.0, gap.start_s - at_s, at_s - gap.end_s)).sound


def _off_alone(heard: Iterable[Heard]) -> Iterator[tuple[float, float]]:
    for each in heard:
        if each.is_same:
            for word, alone in zip(each.whole, each.alone, strict=True):
                yield alone.middle_s, word.middle_s - alone.middle_s


def _off_truth(
    pairs: Iterable[tuple[Spoken, tuple[HeardWord, ...]]],
) -> Iterator[tuple[float, float]]:
    for spoken, words in pairs:
        if spoken.kind == "digits" and [w.text for w in spoken.words] == texts(words):
            for said, word in zip(spoken.words, words, strict=True):
                middle_s = (said.start_s + said.end_s) / 2
                yield middle_s, word.middle_s - middle_s
