"""One turn of the model, in its thread: streams come and go, then one frame of each is stepped."""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from serve_app.deployments.watching.segments import SegmentSpans, SteppedAt
from serve_app.models.protocols import (
    StreamFrame,
    StreamingRecognizer,
    StreamOptions,
    StreamText,
)
from serve_app.pipelines.streaming.host import SlotFrame, SlotLostError

logger = logging.getLogger(__name__)

Tell: TypeAlias = Callable[[StreamText | SlotLostError], None]
"""Takes the text after each frame; after a `SlotLostError` nothing follows."""


@dataclass(slots=True, eq=False)
class Place:
    """One stream in its slot, until it is released or lost."""

    slot: int
    tell: Tell
    alone_until: float
    """It is stepped alone till then: see `slots`."""
    frames: deque[SlotFrame] = field(default_factory=deque)
    is_over: bool = False
    spans: SegmentSpans | None = None
    """Where the stream is traced."""


@dataclass(frozen=True, slots=True)
class Change:
    """Somebody comes or, without options, goes; done between two steps."""

    place: Place
    options: StreamOptions | None


Row: TypeAlias = tuple[Place, SlotFrame]


@dataclass(frozen=True, slots=True)
class Step:
    """What one step gave its rows: a text for each, or the error that it failed with."""

    rows: Sequence[Row]
    outcome: Sequence[StreamText] | Exception
    at: SteppedAt


def turn(
    recognizer: StreamingRecognizer, changes: Sequence[Change], groups: Sequence[Sequence[Row]]
) -> tuple[list[tuple[Place, Exception]], list[Step]]:
    """Make the changes, then one step of each group of rows. Never raises: first come the streams
    that the model did not take, or not give up, and why; then the steps."""
    unfit: list[tuple[Place, Exception]] = []
    for change in changes:
        try:
            if change.options is None:
                recognizer.release(change.place.slot)
            else:
                recognizer.occupy(change.place.slot, change.options)
        except Exception as error:  # one stream's own; the others go on
            logger.exception("slot %d could not be changed", change.place.slot)
            unfit.append((change.place, error))
    lost = {place for place, _ in unfit}
    cut = [[row for row in rows if row[0] not in lost] for rows in groups]
    return unfit, [_step(recognizer, rows) for rows in cut if rows]


def _step(recognizer: StreamingRecognizer, rows: Sequence[Row]) -> Step:
    frames = [StreamFrame(place.slot, frame.pcm, frame.is_last) for place, frame in rows]
    began_at = time.perf_counter()
    outcome: Sequence[StreamText] | Exception
    try:
        outcome = recognizer.step(frames)
        if len(outcome) != len(rows):
            raise RuntimeError(f"{len(outcome)} texts for {len(rows)} frames")
    except Exception as error:  # told to those whose step it was
        logger.exception("a step of %d streams failed", len(rows))
        outcome = error
    at = SteppedAt(began_at, time.perf_counter() - began_at, len(rows))
    return Step(rows, outcome, at)
