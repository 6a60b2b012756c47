"""Items of many recordings in; one of each recording in turn, out.

A recording of four hours and one of two seconds get the same number of places in each round, so
neither waits for the other's end. A newcomer stands behind all that are there and before all that
come later, which bounds the wait of both: see `Turns`.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from itertools import zip_longest
from typing import Generic, TypeVar, cast

T = TypeVar("T")


class Turns(Generic[T]):
    """A ring of recordings, each with its items in the order in which they came.

    From when an item is the first of its recording, no more items of others go before it than
    there are other recordings in the ring at that moment: one of each. Whoever comes later, and
    however many they are, stands behind it.
    """

    def __init__(self) -> None:
        # A dict keeps the order of its keys: the first one's turn is next.
        self._ring: dict[Hashable, deque[T]] = {}
        self._num_items = 0

    def __len__(self) -> int:
        return self._num_items

    def __iter__(self) -> Iterator[T]:
        """The items in the order in which `take` would hand them out."""
        nothing = object()
        for turn in zip_longest(*self._ring.values(), fillvalue=nothing):
            for item in turn:
                if item is not nothing:
                    yield cast(T, item)

    @property
    def first(self) -> T:
        """The item whose turn is next; there must be one."""
        return next(iter(self._ring.values()))[0]

    @property
    def num_recordings(self) -> int:
        """That have an item waiting."""
        return len(self._ring)

    def add(self, recording: Hashable, item: T) -> None:
        self._ring.setdefault(recording, deque()).append(item)
        self._num_items += 1

    def take(self, count: int) -> list[T]:
        """The next `count` items, or all where there are fewer."""
        taken: list[T] = []
        while self._ring and len(taken) < count:
            recording = next(iter(self._ring))
            items = self._ring.pop(recording)
            taken.append(items.popleft())
            if items:
                self._ring[recording] = items
        self._num_items -= len(taken)
        return taken

    def keep(self, is_kept: Callable[[T], bool]) -> None:
        """Drop all other items; nobody's turn changes."""
        kept = {name: deque(filter(is_kept, items)) for name, items in self._ring.items()}
        self._ring = {name: items for name, items in kept.items() if items}
        self._num_items = sum(map(len, self._ring.values()))
