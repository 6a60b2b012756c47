"""Texts of a slot in, with the frames that they follow; what the wire is told out.

Confirmed text is never un-said and nothing is told twice, whatever the model says.
"""

import logging
from dataclasses import dataclass, replace

from serve_app.audio.waveform import SAMPLE_RATE_HZ
from serve_app.models.protocols import StreamText
from serve_app.pipelines.streaming.events import Final, Partial
from serve_app.transcript.types import Segment, Word

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a frame lies, in samples from the start of the session."""

    start: int
    end: int
    """Where the segment has ended: that of the segment, which was cut there."""
    ends_utterance: bool


class Teller:
    """What was told of the segment under way."""

    def __init__(self, offset_s: float) -> None:
        self._offset_s = offset_s
        self._segment_start: int | None = None
        self._confirmed = ""
        self._tentative = ""
        self.num_contradictions = 0
        """Texts that took back what was confirmed; it stayed as it was told."""

    def tell(self, text: StreamText, position: Position, *, muted: bool) -> Partial | Final | None:
        """What the text behind the frame at `position` adds to what was told."""
        if self._segment_start is None:
            self._segment_start = position.start
        if text.ended is None:
            return None if muted else self._partial(text, self._segment_start, position)
        final = self._final(text, self._segment_start, position)
        self._segment_start = position.end if text.num_carried else None
        takes_back = bool(self._tentative)
        self._confirmed = self._tentative = ""
        if muted or not (final.segment.text or final.ends_utterance or takes_back):
            return None
        return final

    def _partial(self, text: StreamText, start: int, position: Position) -> Partial | None:
        confirmed, tentative = self._reconciled(text)
        if (confirmed, tentative) == (self._confirmed, self._tentative):
            return None
        self._confirmed, self._tentative = confirmed, tentative
        start_s, heard_s = self._time_s(start), self._time_s(position.end)
        return Partial(confirmed, tentative, start_s, heard_s)

    def _reconciled(self, text: StreamText) -> tuple[str, str]:
        told, whole = self._confirmed, text.confirmed + text.tentative
        if text.confirmed.startswith(told):
            return text.confirmed, text.tentative
        if whole.startswith(told) and told.startswith(text.confirmed):
            return told, whole[len(told) :]
        self.num_contradictions += 1
        logger.warning("a model took back text that it had confirmed; it stays as it was told")
        return told, ""

    def _final(self, text: StreamText, start: int, position: Position) -> Final:
        whole, words = text.confirmed + text.tentative, text.words
        if not whole.startswith(self._confirmed):
            self.num_contradictions += 1
            logger.warning("a final text differs from what was confirmed of it; that was kept")
            told = self._confirmed.split()
            whole = " ".join([*told, *whole.split()[len(told) :]])
            words = None
        start_s, end_s = self._time_s(start), self._time_s(position.end)
        words = words and tuple(_moved(word, start_s, end_s) for word in words)
        segment = Segment(
            text=whole.strip(),
            start_s=words[0].start_s if words else start_s,
            end_s=words[-1].end_s if words else end_s,
            words=words,
            language=text.language,
            spoken_language=text.spoken_language,
        )
        return Final(segment, position.ends_utterance, end_s)

    def _time_s(self, sample: int) -> float:
        return self._offset_s + sample / SAMPLE_RATE_HZ


def _moved(word: Word, start_s: float, end_s: float) -> Word:
    """`word` in the time of the stream, within the segment that it is of."""
    return replace(
        word,
        start_s=min(start_s + word.start_s, end_s),
        end_s=min(start_s + word.end_s, end_s),
    )
