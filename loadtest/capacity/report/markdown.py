"""Results in; the same as the page as Markdown, without its plots, out: for who reads in a
repository."""

from collections.abc import Iterator
from pathlib import Path

from loadtest.capacity.report import lines
from loadtest.capacity.report.advice import Advice, Expected
from loadtest.capacity.report.tables import conditions, kinds, table
from loadtest.capacity.results import Results


def markdown(results: Results, expected: Expected, advice: Advice, page: Path) -> Iterator[str]:
    """`page` is where the plots are."""
    yield f"# Capacity of {results.config}"
    yield ""
    yield from (f"- {line}" for line in conditions(results))
    for heading, sentences in (
        ("What these numbers stand for", lines.stands_for(results)),
        ("What one replica carries", lines.carried(results)),
        ("What happens when it is full", lines.when_full(results)),
        ("Processors", lines.processors(results)),
        ("What it costs, and how many", lines.planned(results, expected, advice)),
    ):
        told = list(sentences)
        if told:
            yield from ("", f"## {heading}", "")
            yield from (f"- {line}" for line in told)
    yield from ("", "## To lay over the configuration", "", "```yaml", advice.yaml.rstrip(), "```")
    for heading, found, broken in kinds(results):
        head, *rows = table(found, broken, results)
        yield from ("", f"## {heading}", "", f"| {' | '.join(head)} |")
        yield "|" + "---:|" * (len(head) - 1) + "---|"
        yield from (f"| {' | '.join(row)} |" for row in rows)
    yield from ("", f"With plots: [{page.name}]({page.name}), to open in a browser.")
