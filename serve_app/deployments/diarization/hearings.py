"""The recordings that one replica listens to: their audio in, probabilities of speakers out.

One piece is in the model at a time, in a thread of its own; recordings take turns, since each has
one piece on its way at most.
"""

import asyncio
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from serve_app.errors import AtCapacityError, EngineError, ModelUnavailableError
from serve_app.models.protocols import Diarizer

logger = logging.getLogger(__name__)

_RETRY_AFTER_S = 2.0
_MAX_FAILURES = 4
"""Pieces that failed with no success between: no longer a recording's fault, but the model's."""


@dataclass(slots=True, eq=False)
class Hearing:
    """One recording, for as long as somebody means to go on with it."""

    memory: object
    num_calls: int = 0
    touched_at: float = field(default_factory=time.monotonic)

    async def until_idle(self, timeout_s: float) -> None:
        """Return when nothing of it has come for so long."""
        while (rest_s := self._rest_s(timeout_s)) > 0:  # noqa: ASYNC110  # time itself is awaited
            await asyncio.sleep(rest_s)

    def _rest_s(self, timeout_s: float) -> float:
        if self.num_calls:
            return timeout_s
        return self.touched_at + timeout_s - time.monotonic()


class Hearings:
    """At most `max_recordings` at a time."""

    def __init__(self, diarizer: Diarizer, *, max_recordings: int) -> None:
        self._diarizer = diarizer
        self._max_recordings = max_recordings
        self._hearings: dict[str, Hearing] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="diarizer")
        self._piece_began_at: float | None = None
        self._num_failures = 0

    @property
    def num_open(self) -> int:
        return len(self._hearings)

    @property
    def busy_for_s(self) -> float:
        """How long the piece in the model has been there; 0 if there is none."""
        return 0.0 if self._piece_began_at is None else time.monotonic() - self._piece_began_at

    @property
    def is_broken(self) -> bool:
        """Whether the replica should be replaced: its model answers nobody any more."""
        return self._num_failures >= _MAX_FAILURES

    @contextmanager
    def open(self, recording: str) -> Iterator[Hearing]:
        """Listen to a recording.

        Raises:
            AtCapacityError: as many as may be are listened to.
            ModelUnavailableError: the model answers nobody any more.
        """
        name = self._diarizer.info.name
        if self.is_broken:
            raise ModelUnavailableError(name, _RETRY_AFTER_S)
        if len(self._hearings) >= self._max_recordings:
            raise AtCapacityError(f"{name} listens to all it can", _RETRY_AFTER_S)
        hearing = self._hearings[recording] = Hearing(self._diarizer.begin())
        try:
            yield hearing
        finally:
            del self._hearings[recording]

    async def hear(self, recording: str, pcm: bytes, *, is_last: bool) -> bytes:
        """See `RecordingDiarizer.hear`."""
        hearing = self._hearings.get(recording)
        if hearing is None:
            raise ModelUnavailableError(self._diarizer.info.name, _RETRY_AFTER_S)
        hearing.num_calls += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, self._hear, hearing, pcm, is_last
            )
        finally:
            hearing.num_calls -= 1
            hearing.touched_at = time.monotonic()

    def _hear(self, hearing: Hearing, pcm: bytes, is_last: bool) -> bytes:
        self._piece_began_at = time.monotonic()
        try:
            heard = self._diarizer.hear(hearing.memory, pcm, is_last=is_last)
        except Exception as error:  # the step of the model: whatever it is, it is this one's
            logger.exception("a piece of a recording failed")
            self._num_failures += 1
            raise EngineError(self._diarizer.info.name, type(error).__name__) from None
        finally:
            self._piece_began_at = None
        self._num_failures = 0
        return heard

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
