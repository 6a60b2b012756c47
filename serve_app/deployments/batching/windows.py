"""Rows that wait, in turn, in; batches of like lengths out. Pure.

A batch costs its longest row times its rows, so rows of like lengths are put together: a window
takes those whose turn is next, sorts them by length and is cut from its short end, a batch at a
time, while it has more than one. What it leaves goes into the first batch of the next window: so
nobody waits longer than for the window that was open when the turn came, and for the next.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import chain, islice
from typing import Generic, TypeVar

from serve_app.config import BatchConfig
from serve_app.deployments.batching.turns import Turns

T = TypeVar("T")


class Windows(Generic[T]):
    """Rows in the order of their turns, and what is left of the open window."""

    def __init__(self, length_s: Callable[[T], float]) -> None:
        self._length_s = length_s
        self._turns = Turns[T]()
        self._left: list[T] = []
        """Sorted by length."""

    def __len__(self) -> int:
        return len(self._left) + len(self._turns)

    def __iter__(self) -> Iterator[T]:
        return chain(self._left, self._turns)

    @property
    def audio_s(self) -> float:
        return sum(map(self._length_s, self))

    @property
    def num_recordings(self) -> int:
        """That have a row which no window has taken."""
        return self._turns.num_recordings

    def add(self, recording: Hashable, row: T) -> None:
        self._turns.add(recording, row)

    def keep(self, is_kept: Callable[[T], bool]) -> None:
        """Drop all other rows; nobody's turn changes."""
        self._turns.keep(is_kept)
        self._left = list(filter(is_kept, self._left))

    def take_all(self) -> list[T]:
        rows = self._left + self._turns.take(len(self._turns))
        self._left = []
        return rows

    def fill_a_batch(self, config: BatchConfig) -> bool:
        """Whether the next batch could not grow any more, whatever comes."""
        if len(self) < config.max_batch_size:
            return len(self) > 1 and not self._fit(list(self), config)
        return True

    def cut(self, config: BatchConfig, audio_s_per_s: float) -> list[T]:
        """The next batch; empty where nothing waits. `audio_s_per_s` is what the model clears."""
        if not self._fit(self._left, config):
            return self._cut_short_end(config)
        first = self._left
        self._left = sorted(self._open(config, audio_s_per_s), key=self._length_s)
        return self._cut_around(first, config)

    def _fit(self, rows: Sequence[T], config: BatchConfig) -> bool:
        """Whether one batch holds them all."""
        if len(rows) <= 1:
            return True
        padded_s = max(map(self._length_s, rows)) * len(rows)
        return len(rows) <= config.max_batch_size and padded_s <= config.max_batch_audio_s

    def _open(self, config: BatchConfig, audio_s_per_s: float) -> list[T]:
        """Those whose turn is next: two batches of them, or what the model does in `window_s`."""
        batch_s = config.max_batch_audio_s
        room_s = max(2 * batch_s, config.window_s * audio_s_per_s)
        num_rows = int(config.max_batch_size * room_s / batch_s)
        for count, row in enumerate(islice(self._turns, num_rows)):
            room_s -= self._length_s(row)
            if count and room_s < 0:
                return self._turns.take(count)
        return self._turns.take(num_rows)

    def _cut_short_end(self, config: BatchConfig) -> list[T]:
        count = 0
        for count, row in enumerate(self._left, start=1):
            over = self._length_s(row) * count > config.max_batch_audio_s
            if count > 1 and (over or count > config.max_batch_size):
                count -= 1
                break
        batch, self._left = self._left[:count], self._left[count:]
        return batch

    def _cut_around(self, first: list[T], config: BatchConfig) -> list[T]:
        """`first` was the long end of its window: the longest of this one that are no longer than
        it cost nothing more while there is room; longer ones come where there are no others."""
        if not first:
            return self._cut_short_end(config)
        longest_s = max(map(self._length_s, first))
        num_rows = config.max_batch_size
        if longest_s:
            num_rows = min(num_rows, int(config.max_batch_audio_s / longest_s))
        end = sum(self._length_s(row) <= longest_s for row in self._left)
        begin = max(0, end - max(0, num_rows - len(first)))
        if begin == 0:
            self._left = sorted(first + self._left, key=self._length_s)
            return self._cut_short_end(config)
        batch = first + self._left[begin:end]
        self._left[begin:end] = []
        return batch
