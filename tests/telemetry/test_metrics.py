"""The table of metrics is the metrics, by name and label."""

import re

from serve_app.telemetry import metrics
from tests.graph.conftest import ROOT

_NAME = re.compile(r"`(ray_chorus_\w+)(?:\{([^}]*)\})?`")


def all_declared() -> dict[str, tuple[str, ...]]:
    """Each class of metrics, made once."""
    for name in metrics.__all__:
        declared = getattr(metrics, name)
        if isinstance(declared, type):
            needs_a_name = declared.__init__.__code__.co_argcount > 1
            declared(*(["a model"] if needs_a_name else []))
    return dict(metrics.declared())


def in_the_table() -> dict[str, tuple[str, ...]]:
    page = (ROOT / "docs/metrics.md").read_text()
    of_the_server = page.partition("## Of the server")[2].partition("## Of Ray")[0]
    cells = [row.split("|")[1] for row in of_the_server.splitlines() if row.startswith("| `")]
    return {
        name: tuple(labels.split(",")) if labels else ()
        for cell in cells
        for name, labels in _NAME.findall(cell)
    }


def test_the_table_has_each_metric_with_its_labels() -> None:
    assert in_the_table() == all_declared()


def test_names_are_as_prometheus_wants_them() -> None:
    """Base units, counters that say so, no unit but seconds, bytes and ratios."""
    for name in all_declared():
        assert re.fullmatch(r"ray_chorus_[a-z]+(_[a-z]+)*", name)
        assert not re.search(r"_(ms|milliseconds|kb|mb|percent|hours|minutes)(_|$)", name)
        assert name.endswith("_total") or "_total" not in name


def test_dashboards_and_alerts_ask_for_metrics_that_there_are() -> None:
    there = all_declared()
    for path in (ROOT / "monitoring").rglob("*.*"):
        for name in re.findall(r"ray_chorus_\w+", path.read_text()):
            family = re.sub(r"_(bucket|count|sum)$", "", name)
            assert name in there or family in there, (path.name, name)
