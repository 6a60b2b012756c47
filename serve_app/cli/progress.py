"""Work done in parallel, its results in order, and how far it is on stderr.

On a terminal that is a bar; elsewhere a line for each tenth, unless the results themselves are
watched on a terminal.
"""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.text import Text

T = TypeVar("T")
R = TypeVar("R")


class Progress:
    """How many of `total` recordings are done. `advance` may be called by any thread."""

    def __init__(self, total: int, *, quiet: bool = False) -> None:
        self._total = total
        self._num_done = 0
        self._lock = threading.Lock()
        console = Console(stderr=True)
        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("transcribing"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,
            disable=quiet or not console.is_terminal,
        )
        self._in_lines = self._bar.disable and not quiet and total > 1 and not sys.stdout.isatty()
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def advance(self) -> None:
        with self._lock:
            self._num_done += 1
            self._bar.advance(self._task)
            tenth = self._num_done * 10 // self._total
            is_next_tenth = tenth > (self._num_done - 1) * 10 // self._total
            if self._in_lines and is_next_tenth:
                # At once: stdout may go to the same place, and its writer is another thread.
                sys.stderr.write(f"{self._num_done}/{self._total} transcribed\n")

    def result(self, text: str) -> None:
        """Write to stdout; where that is the bar's own terminal, above the bar."""
        if self._bar.disable or not sys.stdout.isatty():
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            self._bar.console.print(Text(text), soft_wrap=True, end="")

    def complaint(self, text: str) -> None:
        """Write a line to stderr."""
        self._bar.console.print(Text(text), soft_wrap=True)


def in_parallel(
    work: Callable[[T], R], items: Sequence[T], *, concurrency: int, progress: Progress
) -> Iterator[R]:
    """Yield `work(item)` in the order of `items`; what it raises ends all that has not begun."""

    def tracked(item: T) -> R:
        try:
            return work(item)
        finally:
            progress.advance()

    pool = ThreadPoolExecutor(concurrency)
    try:
        for future in [pool.submit(tracked, item) for item in items]:
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
