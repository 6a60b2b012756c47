"""From the tokens of a decoder to words with times and confidences. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from serve_app.transcript.types import Word

WORD_START = "▁"
"""SentencePiece's mark of a word's first piece."""

_PUNCTUATION = frozenset(".,?!;:¿¡…。、")


@dataclass(frozen=True, slots=True)
class TimedPiece:
    """One piece of the vocabulary, with the encoder frames that it spans."""

    piece: str
    start_frame: int
    end_frame: int
    probability: float


def words_of(
    pieces: Sequence[TimedPiece], *, frame_s: float, duration_s: float
) -> tuple[Word, ...]:
    """Join pieces into words.

    A word's confidence is that of its least certain piece. Punctuation belongs to the word before
    it and moves none of its times: decoders emit it late, after the pause that follows the word.
    """
    groups: list[list[TimedPiece]] = []
    for piece in pieces:
        if not groups or (piece.piece.startswith(WORD_START) and is_spoken(piece.piece)):
            groups.append([piece])
        else:
            groups[-1].append(piece)
    words = (_word_of(group, frame_s, duration_s) for group in groups)
    return tuple(word for word in words if word is not None)


def _word_of(group: list[TimedPiece], frame_s: float, duration_s: float) -> Word | None:
    text = "".join(piece.piece for piece in group).replace(WORD_START, "")
    if not text:
        return None
    spoken = [piece for piece in group if is_spoken(piece.piece)] or group
    start_s = min(round(spoken[0].start_frame * frame_s, 3), duration_s)
    end_s = min(max(round(spoken[-1].end_frame * frame_s, 3), start_s), duration_s)
    confidence = min(piece.probability for piece in spoken)
    return Word(text, start_s, end_s, round(min(max(confidence, 0.0), 1.0), 4))


def is_spoken(piece: str) -> bool:
    """Whether there is more in it than marks."""
    return bool(set(piece) - _PUNCTUATION - {WORD_START})
