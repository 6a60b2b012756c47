"""The slots of one replica: frames of all streams in, one text for each frame out, in order.

As soon as the model is free it takes one frame of each slot that has one, all in one step. Streams
join and leave between steps. Nobody waits for another's frame longer than `gather_s`, and a stream
that has many frames waiting, as after a replay, gets no more than one into a step, as all others.

A fused step that fails leaves the state of all its streams unknown, so all of them are lost, and
are replayed by whoever sent them. What begins within `_SUSPICIOUS_FOR_S` after that is stepped
alone: whose fault it was is found out at the second time, and harms nobody else.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from serve_app.audio.waveform import SAMPLE_RATE_HZ
from serve_app.deployments.streaming.step import Change, Place, Row, Step, Tell, turn
from serve_app.deployments.watching.segments import SegmentSpans
from serve_app.errors import AtCapacityError
from serve_app.models.protocols import ModelBrokenError, StreamingRecognizer, StreamOptions
from serve_app.pipelines.streaming.host import SlotFrame, SlotLostError
from serve_app.telemetry.tracing import Trace

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 2.0
"""What a stream that finds all slots taken is told to wait."""
_REFUSED_WINDOW_S = RETRY_AFTER_S
"""How long a refused stream counts as demand: until it comes again, if it does."""
_MAX_REFUSED_COUNTED = 10_000
_SUSPICIOUS_FOR_S = 30.0
_MAX_FAILED_STEPS = 8
"""Steps that failed with no success between: no longer a stream's fault, but the model's. More
than one stream may fail before it is given up (`pipelines.streaming.replay`)."""
_MARGIN_FRAMES = 8
_SAMPLE_BYTES = 2


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one step of the model did, for the metrics."""

    num_streams: int
    model_s: float
    waited_s: float
    """Until it began, of the frame that was there first."""


def waiting_frames(audio_s: float, step_samples: int) -> int:
    """The frames of `audio_s`, and some more: what may wait in one slot."""
    return int(audio_s * SAMPLE_RATE_HZ / step_samples) + _MARGIN_FRAMES


class Slots:
    """The table of slots, and the loop that steps the model. To be made and used in one loop.

    `max_waiting_frames` is what one stream may have waiting; it must hold a whole replay. While one
    step takes longer than `stall_s`, nobody new is taken.
    """

    def __init__(
        self,
        recognizer: StreamingRecognizer,
        *,
        max_waiting_frames: int,
        gather_s: float = 0.003,
        stall_s: float = float("inf"),
        report: Callable[[StepReport], None] = lambda _: None,
    ) -> None:
        self._recognizer = recognizer
        self._max_waiting_frames = max_waiting_frames
        self._gather_s = gather_s
        self._stall_s = stall_s
        self._report = report
        self._free = list(reversed(range(recognizer.num_slots)))
        self._places: set[Place] = set()
        self._waiting: dict[Place, float] = {}
        """Who has frames, and since when; first come, first."""
        self._changes: list[Change] = []
        self._refused_at: deque[float] = deque(maxlen=_MAX_REFUSED_COUNTED)
        self._num_failed_steps = 0
        self._suspicious_until = float("-inf")
        self._turn_began_at: float | None = None
        self._arrival = asyncio.Event()
        self._model_thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._loop_task = asyncio.get_running_loop().create_task(self._run())

    @property
    def step_samples(self) -> int:
        return self._recognizer.step_samples

    @property
    def num_slots(self) -> int:
        return self._recognizer.num_slots

    @property
    def num_in_use(self) -> int:
        return len(self._places)

    @property
    def num_free(self) -> int:
        return len(self._free) if self._takes_streams else 0

    @property
    def num_refused(self) -> int:
        """Streams that found no slot lately."""
        since = time.monotonic() - _REFUSED_WINDOW_S
        while self._refused_at and self._refused_at[0] < since:
            self._refused_at.popleft()
        return len(self._refused_at)

    @property
    def busy_for_s(self) -> float:
        """How long the model has been at what it does now; 0 if it does nothing."""
        return 0.0 if self._turn_began_at is None else time.monotonic() - self._turn_began_at

    @property
    def is_broken(self) -> bool:
        """Whether the replica should be replaced: its model answers nobody any more."""
        return self._loop_task.done() or self._num_failed_steps >= _MAX_FAILED_STEPS

    def occupy(
        self,
        options: StreamOptions,
        tell: Tell,
        *,
        is_demand: bool = True,
        trace: Trace | None = None,
    ) -> Place:
        """Begin a stream, of `trace`. `is_demand`: whether it counts as one that wanted a slot if
        it gets none.

        Raises:
            AtCapacityError: all slots are taken.
            ModelBrokenError: the model answers nobody any more, or has not for too long.
        """
        if not self._takes_streams:
            raise ModelBrokenError(self._recognizer.info.name)
        if not self._free:
            if is_demand:
                self._refused_at.append(time.monotonic())
            reason = f"all {self.num_slots} slots of this replica are taken"
            raise AtCapacityError(reason, RETRY_AFTER_S)
        place = Place(self._free.pop(), tell, alone_until=self._suspicious_until)
        if trace is not None and trace.is_sampled:
            place.spans = SegmentSpans(trace)
        self._places.add(place)
        self._change(place, options)
        return place

    def push(self, place: Place, frame: SlotFrame) -> None:
        """Hand in the stream's next frame. One that does not fit, or one too many, is its sender's
        fault, and ends that stream alone."""
        if place.is_over:
            return
        full_bytes = self.step_samples * _SAMPLE_BYTES
        num_bytes = len(frame.pcm)
        if num_bytes % _SAMPLE_BYTES or num_bytes > full_bytes:
            self._lose(place, f"a frame of {num_bytes} bytes came; {full_bytes} are a step")
        elif num_bytes < full_bytes and not frame.is_last:
            self._lose(place, "a frame shorter than a step came inside a segment")
        elif len(place.frames) >= self._max_waiting_frames:
            self._lose(place, f"more than {self._max_waiting_frames} frames wait")
        else:
            place.frames.append(frame)
            self._waiting.setdefault(place, time.monotonic())
            self._arrival.set()

    def release(self, place: Place) -> None:
        """End the stream; nothing more is told. May be called again, and after a loss."""
        if place.is_over:
            return
        place.is_over = True
        place.frames.clear()
        self._waiting.pop(place, None)
        self._places.discard(place)
        self._free.append(place.slot)
        if place.spans is not None:
            place.spans.ended("left")
        self._change(place, None)

    async def close(self) -> None:
        """Stop; every stream is lost."""
        self._loop_task.cancel()
        await asyncio.gather(self._loop_task, return_exceptions=True)
        self._lose_all("the replica stops")
        self._model_thread.shutdown(wait=False, cancel_futures=True)

    @property
    def _takes_streams(self) -> bool:
        return not self.is_broken and self.busy_for_s <= self._stall_s

    def _change(self, place: Place, options: StreamOptions | None) -> None:
        self._changes.append(Change(place, options))
        self._arrival.set()

    def _lose(self, place: Place, reason: str) -> None:
        if place.is_over:
            return
        logger.warning("a stream is lost: %s", reason)
        self.release(place)
        place.tell(SlotLostError(reason))

    def _lose_all(self, reason: str) -> None:
        for place in list(self._places):
            self._lose(place, reason)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._gather()
            changes, self._changes = self._changes, []
            first_at = min(self._waiting.values(), default=None)
            groups = self._cut()
            now = self._turn_began_at = time.monotonic()
            waited_s = 0.0 if first_at is None else now - first_at
            try:
                unfit, steps = await loop.run_in_executor(
                    self._model_thread, turn, self._recognizer, changes, groups
                )
            finally:
                self._turn_began_at = None
            for place, error in unfit:
                self._lose(place, f"the model did not take it: {error}")
            for step in steps:
                self._tell(step, waited_s)

    async def _gather(self) -> None:
        """Wait until there is something to do; then, a little, for others to join the step."""
        while not self._waiting and not self._changes:
            self._arrival.clear()
            await self._arrival.wait()
        if not self._waiting:
            return
        until = next(iter(self._waiting.values())) + self._gather_s
        while len(self._waiting) < len(self._places):
            left_s = until - time.monotonic()
            if left_s <= 0:
                return
            self._arrival.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):  # not wait_for, which may lose a cancellation
                    await self._arrival.wait()

    def _cut(self) -> list[list[Row]]:
        """The next frame of each stream that has one: those of a step each."""
        now = time.monotonic()
        rows = [(place, place.frames.popleft()) for place in self._waiting]
        self._waiting = {place: now for place, _ in rows if place.frames}
        together = [row for row in rows if row[0].alone_until <= now]
        return ([together] if together else []) + [
            [row] for row in rows if row[0].alone_until > now
        ]

    def _tell(self, step: Step, waited_s: float) -> None:
        if not isinstance(step.outcome, Exception):
            self._num_failed_steps = 0
            self._report(StepReport(len(step.rows), step.at.model_s, waited_s))
            for (place, _), text in zip(step.rows, step.outcome, strict=True):
                if not place.is_over:
                    _trace(place, step, text.ended)
                    place.tell(text)
            return
        self._num_failed_steps += 1
        if len(step.rows) > 1:
            self._suspicious_until = time.monotonic() + _SUSPICIOUS_FOR_S
        for place, _ in step.rows:
            self._lose(place, f"the model failed: {step.outcome}")
        if self.is_broken:
            self._lose_all("the model answers nobody any more")


def _trace(place: Place, step: Step, ended: str | None) -> None:
    if place.spans is not None:
        place.spans.stepped(step.at)
        if ended is not None:
            place.spans.ended(ended)
