"""Events of a session, in; the items of a conversation that they belong to, and what is said of
each, out.

An item is one utterance: it is committed when it is known to have ended, and completed when its
text is final. Both happen in the order of the items.
"""

import uuid
from collections import deque
from dataclasses import dataclass, field

from serve_app.pipelines.streaming.events import Final, Partial
from serve_app.transcript.types import Segment


def new_id(kind: str) -> str:
    """An identifier as OpenAI's look: `item_…`, `event_…`, `sess_…`."""
    return f"{kind}_{uuid.uuid4().hex[:24]}"


@dataclass(slots=True)
class Item:
    """One utterance."""

    start_s: float
    item_id: str = field(default_factory=lambda: new_id("item"))
    is_started: bool = False
    """Whether voice activity began it."""
    is_committed: bool = False
    segments: list[Segment] = field(default_factory=list)
    """Those that are final."""
    said: str = ""
    """All deltas so far."""

    @property
    def transcript(self) -> str:
        return " ".join(segment.text for segment in self.segments if segment.text)

    def delta(self, under_way: str = "") -> str:
        """What is to be said now: what is final, and `under_way` behind it, as far as it goes on
        from what was said. Deltas only append, so what does not is for `completed` alone."""
        text = " ".join(part for part in (self.transcript, under_way) if part)
        if not text.startswith(self.said):
            return ""
        delta, self.said = text[len(self.said) :], text
        return delta


class Items:
    """The items that are not completed yet, oldest first."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._final_s = 0.0
        self._cleared_s = 0.0

    @property
    def committed(self) -> list[Item]:
        """Those whose text is awaited."""
        return [item for item in self._items if item.is_committed]

    def newest(self) -> Item:
        """The one that is spoken now, and not committed yet."""
        if not self._items or self._items[-1].is_committed:
            self._items.append(Item(self._final_s))
        return self._items[-1]

    def clear(self, at_s: float) -> None:
        """Forget what is not committed of the audio up to `at_s`."""
        self._cleared_s = self._final_s = at_s
        if self._items and not self._items[-1].is_committed:
            self._items.pop()

    def is_cleared(self, heard_s: float) -> bool:
        """Whether an event of so far belongs to an item that was cleared before it was read."""
        return heard_s <= self._cleared_s and not (self._items and self._items[0].is_committed)

    def heard(self, event: Partial | Final) -> tuple[Item, str]:
        """The item that a text belongs to, and the delta that it adds."""
        item = self._items[0] if self._items else self.newest()
        if isinstance(event, Partial):
            return item, item.delta(event.confirmed)
        self._final_s = event.end_s
        item.segments.append(event.segment)
        if event.ends_utterance:
            self._items.popleft()
            if self._items:
                self._items[0].start_s = max(self._items[0].start_s, event.end_s)
        return item, item.delta()
