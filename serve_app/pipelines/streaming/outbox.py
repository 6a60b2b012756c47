"""Events on their way to one reader, in order and bounded; who tells waits for who reads."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from serve_app.errors import SpeechError
from serve_app.pipelines.streaming.events import Partial, StreamEvent


class Outbox:
    """At most `max_events` that nobody has read; of partials in a row only the newest waits."""

    def __init__(self, max_events: int) -> None:
        self._max_events = max_events
        self._events: deque[StreamEvent] = deque()
        self._error: SpeechError | None = None
        self._has_ended = False
        self._changed = asyncio.Condition()

    def __len__(self) -> int:
        return len(self._events)

    async def put(self, event: StreamEvent) -> None:
        """Wait for room; nothing is kept once the stream has ended."""
        async with self._changed:
            if not self._replaces_last(event):
                await self._changed.wait_for(self._has_room)
                self._events.append(event)
            self._changed.notify_all()

    async def end(self, error: SpeechError | None = None) -> None:
        """Nothing comes any more. What waits is still read, and `error` raised behind it."""
        async with self._changed:
            if not self._has_ended:
                self._has_ended, self._error = True, error
            self._changed.notify_all()

    async def abandon(self) -> None:
        """End at once; what waits is forgotten."""
        async with self._changed:
            self._has_ended = True
            self._events.clear()
            self._changed.notify_all()

    async def read(self) -> AsyncIterator[StreamEvent]:
        """Yield until the end."""
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._events or self._has_ended)
                if not self._events:
                    break
                event = self._events.popleft()
                self._changed.notify_all()
            yield event
        if self._error is not None:
            raise self._error

    def _has_room(self) -> bool:
        return len(self._events) < self._max_events or self._has_ended

    def _replaces_last(self, event: StreamEvent) -> bool:
        if self._has_ended:
            return True
        if not self._events or not isinstance(event, Partial):
            return False
        last = self._events[-1]
        if not isinstance(last, Partial):
            return False
        self._events[-1] = event
        return True
