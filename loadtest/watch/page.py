"""What came of a run in; a page of Markdown out."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from loadtest.bench.machine import describe_machine
from loadtest.watch.answers import Answers
from loadtest.watch.server import SCRAPE_EVERY_S

_PAGE = Path(__file__).with_suffix(".md")


def page_of(
    answers: Answers,
    outcomes: Mapping[str, int],
    *,
    for_s: float,
    num_names: int,
    machine_load: float,
) -> str:
    """`machine_load` as the kernel tells it."""
    queries = [
        (name, answer.panel.title, f"`{_in_a_cell(answer.expr)}`", len(answer.series))
        for name, found in answers.dashboards.items()
        for answer in found
    ]
    alerts = [(each.name, each.fired, "; ".join(each.empty)) for each in answers.verdicts]
    return _PAGE.read_text().format(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=describe_machine(),
        load=machine_load,
        every_s=SCRAPE_EVERY_S,
        for_s=for_s,
        num_queries=len(queries),
        num_alerts=len(alerts),
        num_empty=len(answers.empty) or "none",
        num_names=num_names,
        queries=_rows(queries),
        alerts=_rows(alerts),
        calls=_rows(sorted(outcomes.items())),
    )


def _rows(rows: Iterable[tuple[object, ...]]) -> str:
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


def _in_a_cell(expr: str) -> str:
    return expr.replace("|", "\\|")
