"""A table in, lines of text out, wide enough where no window is looking."""

from rich.console import Console
from rich.table import Table

_PIPE_WIDTH = 200


def print_table(table: Table, *, stderr: bool = False) -> None:
    console = Console(stderr=stderr)
    if not console.is_terminal:
        console = Console(stderr=stderr, width=_PIPE_WIDTH)
    console.print(table)
