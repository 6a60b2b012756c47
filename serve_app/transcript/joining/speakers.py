"""Speaker probabilities and segments, in; segments of one speaker each, out.

Both come piece by piece, and how they are cut into pieces changes nothing: a segment is held until
what was heard behind it can no longer change whose it is. Nothing said is lost: the words of the
segments that come out, in order, are those that went in.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby

from serve_app.transcript.joining.merge import share_out
from serve_app.transcript.types import Segment, Word

NEAR_S = 5.0
"""How far ahead of a word that nobody seems to say the next speaker may be to have said it. Who
spoke before it may be any time ago. A bound, so that such a word waits not for the whole rest."""

_FULL = 255
"""A probability of 1 in the byte that carries it."""
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class TurnRules:
    """What counts as a turn; the configuration says what each field means."""

    onset: float = 0.5
    offset: float = 0.4
    min_turn_s: float = 0.24
    min_pause_s: float = 0.24


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker says without a pause. Turns of different speakers may overlap."""

    speaker: int
    """Of the model's own numbering."""
    start_s: float
    end_s: float


@dataclass(slots=True)
class _Speaker:
    """One speaker's turns so far, in frames, the short ones among them."""

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    is_speaking: bool = False


class Turns:
    """The turns of one recording, as far as it has been heard."""

    def __init__(self, rules: TurnRules, *, num_speakers: int, frame_s: float) -> None:
        self._onset = rules.onset * _FULL
        self._offset = rules.offset * _FULL
        self._frame_s = frame_s
        self._min_turn = round(rules.min_turn_s / frame_s)
        self._min_pause = round(rules.min_pause_s / frame_s)
        self._speakers = [_Speaker() for _ in range(num_speakers)]
        self._num_frames = 0
        self._has_ended = False

    def hear(self, probabilities: bytes) -> None:
        """Take the next frames: one byte for each speaker of each frame, 255 for certain."""
        for index, speaker in enumerate(self._speakers):
            heard = probabilities[index :: len(self._speakers)]
            for frame, probability in enumerate(heard, start=self._num_frames):
                self._hear(speaker, frame, probability)
        self._num_frames += len(probabilities) // len(self._speakers)

    def end(self) -> None:
        """Nothing more comes."""
        self._has_ended = True

    @property
    def known_until_s(self) -> float:
        """All turns that begin by then are known; only their ends may be still to come."""
        if self._has_ended:
            return float("inf")
        return (self._num_frames - self._min_turn - self._min_pause) * self._frame_s

    def all(self) -> list[Turn]:
        """In the order of their begins."""
        found = [turn for index in range(len(self._speakers)) for turn in self._turns(index)]
        return sorted(found, key=lambda turn: (turn.start_s, turn.speaker))

    def is_decided(self, start_s: float, end_s: float) -> bool:
        """Whether nothing to come can change who speaks from `start_s` to `end_s`."""
        if self.known_until_s < end_s:
            return False
        gaps_s = [_gap_s(turn, start_s, end_s) for turn in self._around(start_s, end_s)]
        nearest_s = min(gaps_s, default=NEAR_S)
        return self.known_until_s >= end_s + min(nearest_s, NEAR_S)

    def speaker_of(self, start_s: float, end_s: float) -> int | None:
        """Who speaks most of that time; where nobody does, who speaks nearest to it.

        Of two who speak as much, it is the one who began nearer to `start_s`: who falls in.
        None where nobody has spoken before or soon after.
        """
        near = list(self._around(start_s, end_s))
        if not near:
            return None
        overlap_s: dict[int, float] = {}
        for turn in near:
            overlap_s[turn.speaker] = overlap_s.get(turn.speaker, 0.0) + max(
                0.0, min(turn.end_s, end_s) - max(turn.start_s, start_s)
            )
        best = min(
            near,
            key=lambda turn: (
                -round(overlap_s[turn.speaker], 6),
                _gap_s(turn, start_s, end_s),
                abs(turn.start_s - start_s),
                turn.speaker,
            ),
        )
        return best.speaker

    def _hear(self, speaker: _Speaker, frame: int, probability: int) -> None:
        if speaker.is_speaking:
            speaker.is_speaking = probability >= self._offset
        elif probability >= self._onset:
            speaker.is_speaking = True
            if not speaker.ends or frame - speaker.ends[-1] >= self._min_pause:
                speaker.starts.append(frame)
                speaker.ends.append(frame)
        if speaker.is_speaking:
            speaker.ends[-1] = frame + 1

    def _turns(self, speaker: int, first: int = 0, step: int = 1) -> Iterator[Turn]:
        """Those of one speaker from the one at `first` on, forwards or backwards."""
        starts, ends = self._speakers[speaker].starts, self._speakers[speaker].ends
        index = first
        while 0 <= index < len(starts):
            if ends[index] - starts[index] >= self._min_turn:
                yield Turn(speaker, starts[index] * self._frame_s, ends[index] * self._frame_s)
            index += step

    def _around(self, start_s: float, end_s: float) -> Iterator[Turn]:
        """Of each speaker the turns that touch that time, the last one before it, and the first
        one behind it, if that begins soon."""
        for index, speaker in enumerate(self._speakers):
            behind = bisect_left(speaker.starts, end_s, key=lambda frame: frame * self._frame_s)
            for turn in self._turns(index, behind - 1, -1):
                yield turn
                if turn.end_s <= start_s:
                    break
            following = next(self._turns(index, behind), None)
            if following is not None and following.start_s - end_s <= NEAR_S:
                yield following


def _gap_s(turn: Turn, start_s: float, end_s: float) -> float:
    return max(0.0, turn.start_s - end_s, start_s - turn.end_s)


class Attribution:
    """Gives the segments of one recording to its speakers, in order: `A` is who speaks first."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._letters: dict[int, str] = {}

    def is_decided(self, segment: Segment) -> bool:
        """Whether `split` would answer the same whatever is heard later."""
        return all(self._turns.is_decided(*span) for span in _spans(segment))

    def split(self, segment: Segment) -> tuple[Segment, ...]:
        """Cut a segment where its speaker changes.

        One without word times, or whose words do not spell its text, stays whole and is given to
        who speaks most of it.
        """
        words = _spelling(segment)
        if words is None:
            speaker = self._turns.speaker_of(segment.start_s, segment.end_s)
            return (replace(segment, speaker=self._letter(speaker)),)
        parts = [
            (self._letter(speaker), tuple(said))
            for speaker, said in groupby(
                words, lambda word: self._turns.speaker_of(word.start_s, word.end_s)
            )
        ]
        if len(parts) == 1:
            return (replace(segment, speaker=parts[0][0]),)
        texts = [" ".join(word.text for word in said) for _, said in parts]
        return tuple(
            replace(
                segment,
                text=text,
                start_s=said[0].start_s,
                end_s=said[-1].end_s,
                words=said,
                tokens=tokens,
                speaker=letter,
            )
            for (letter, said), text, tokens in zip(
                parts, texts, share_out(segment.tokens, texts), strict=True
            )
        )

    def _letter(self, speaker: int | None) -> str | None:
        if speaker is None:
            return None
        return self._letters.setdefault(speaker, _LETTERS[len(self._letters)])


def _spelling(segment: Segment) -> tuple[Word, ...] | None:
    """The words of a segment that are its text; None where there are none."""
    words = segment.words
    if not words or " ".join(word.text for word in words) != segment.text:
        return None
    return words


def _spans(segment: Segment) -> Iterator[tuple[float, float]]:
    words = _spelling(segment)
    if words is None:
        yield segment.start_s, segment.end_s
    else:
        for word in words:
            yield word.start_s, word.end_s
