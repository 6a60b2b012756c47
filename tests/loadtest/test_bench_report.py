"""Findings as a page, and back."""

from pathlib import Path

from loadtest.bench.findings import Figure, Finding, Plot, Table
from loadtest.bench.points.plan import QUICK
from loadtest.bench.ratios import estimate
from loadtest.bench.report import page, saved, tables


def finding(point: int, ratio: float) -> Finding:
    return Finding(
        point=point,
        title=f"Point {point}",
        figures=(
            Figure("served ÷ raw", estimate([ratio]), estimate([1.0, 1.02]), aim=0.95),
            Figure("tax", estimate([4.0]), aim=5.0, is_at_most=True, digits=1, unit="ms"),
        ),
        tables=(Table("Rates", ("", "a"), (("x", "1"),)),),
        plots=(
            Plot("bars", "bars", {"one": [("a", 1.0)], "two": [("a", 2.0)]}),
            Plot("lines", "lines", {"": [(1, 1.0), (2, 3.0)]}),
            Plot("shares", "stacked", {"one": [("a", 0.4)], "two": [("a", 0.6)]}),
        ),
        words=("How it was taken.",),
        taken_on="2026-12-01",
    )


def test_a_page_says_what_falls_short_and_what_is_simulated(tmp_path: Path) -> None:
    page.write([finding(1, 0.5)], tmp_path / "bench.md", QUICK)
    text = (tmp_path / "bench.md").read_text()
    assert "| 1 | served ÷ raw | 0.500 | 1.010 | ≥ 0.95 | **short** |" in text
    assert "|  | tax | 4.0 ms |  | ≤ 5 ms | met |" in text
    assert "cores" in text
    assert "**simulated**" in text
    assert "![Point 1](bench-1.png)" in text
    assert (tmp_path / "bench-1.png").read_bytes().startswith(b"\x89PNG")


def test_a_point_taken_again_takes_its_place_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "bench.md"
    page.write([finding(1, 0.5), finding(3, 0.6)], path, QUICK)
    page.write([finding(1, 0.9)], path, QUICK)
    found = saved.merged([], path.with_suffix(".json"))
    assert [(each.point, each.figures[0].found.median) for each in found] == [(1, 0.9), (3, 0.6)]
    assert "## 3. Point 3" in path.read_text()


def test_the_terminal_shows_all_points(capsys) -> None:
    tables.show([finding(2, 0.97)])
    shown = capsys.readouterr().out
    assert "served ÷ raw" in shown
    assert "met" in shown
