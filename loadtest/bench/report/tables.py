"""Findings in, tables out: of rich for a terminal, of Markdown for a page."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table as RichTable

from loadtest.bench.findings import Figure, Finding, Row, Table

_HEAD = ("point", "what", "found (95 %)", "control", "aim", "")


def headlines(found: Sequence[Finding]) -> Table:
    """All figures, with whether they are what they should be."""
    rows = [
        (str(finding.point) if number == 0 else "", *_cells(figure))
        for finding in found
        for number, figure in enumerate(finding.figures)
    ]
    return Table("All points", _HEAD, rows)


def _cells(figure: Figure) -> Row:
    sign = "≤" if figure.is_at_most else "≥"
    unit = f" {figure.unit}" if figure.unit else ""
    return (
        figure.name,
        figure.found.shown(figure.digits) + unit,
        "" if figure.control is None else f"{figure.control.median:.3f}",
        "" if figure.aim is None else f"{sign} {figure.aim:g}{unit}",
        {None: "", True: "met", False: "**short**"}[figure.is_met],
    )


def show(found: Sequence[Finding]) -> None:
    console = Console(width=None if Console().is_terminal else 140)
    for finding in found:
        for table in finding.tables:
            console.print(_rich(f"{finding.point}. {table.title}", table))
        for paragraph in finding.words:
            console.print(paragraph, style="dim", highlight=False)
        console.print()
    console.print(_rich("All points", headlines(found)))


def _rich(title: str, table: Table) -> RichTable:
    drawn = RichTable(title=title, title_justify="left")
    for column, name in enumerate(table.head):
        drawn.add_column(name, justify="left" if column == 0 else "right")
    for row in table.rows:
        drawn.add_row(*(cell.replace("**", "") for cell in row))
    return drawn


def markdown(table: Table, *, num_left: int = 1) -> Iterator[str]:
    yield f"| {' | '.join(table.head)} |"
    yield f"|{'---|' * num_left}{'---:|' * (len(table.head) - num_left)}"
    for row in table.rows:
        yield f"| {' | '.join(row)} |"
