"""How far the benchmark is, on a terminal."""

from collections.abc import Sequence
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Bar:
    """A line for each point; where it is no terminal, a line for each step."""

    def __init__(self, names: Sequence[str]) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.fields[name]:<34}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=self._console,
        )
        self._tasks = {
            name: self._progress.add_task("", name=name, total=None, start=False, visible=True)
            for name in names
        }

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def point(self, name: str) -> "Steps":
        self._progress.start_task(self._tasks[name])
        return Steps(self._progress, self._tasks[name], self._console, name)


class Steps:
    """See `Told`."""

    def __init__(self, progress: Progress, task: object, console: Console, name: str) -> None:
        self._progress = progress
        self._task = task
        self._console = console
        self._name = name
        self._count = 0
        self._num_begun = 0

    def steps(self, count: int) -> None:
        self._count = count
        self._progress.update(self._task, total=count, completed=0)  # type: ignore[arg-type]

    def step(self, what: str) -> None:
        self._num_begun += 1
        self._progress.update(self._task, completed=self._num_begun, description=what)  # type: ignore[arg-type]
        if not self._console.is_terminal:
            print(f"{self._name}: {what}", file=self._console.file, flush=True)
