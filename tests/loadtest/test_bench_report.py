"""Findings as a page, and back."""

import subprocess
from dataclasses import asdict, replace
from pathlib import Path

from loadtest.bench.findings import Figure, Finding, Plot, Table
from loadtest.bench.machine import describe_commit, describe_machine
from loadtest.bench.points.plan import FULL, QUICK, Plan
from loadtest.bench.ratios import estimate
from loadtest.bench.report import page, saved, tables


def finding(
    point: int,
    ratio: float,
    *,
    commit: str = "1a2b3c4",
    machine: str = describe_machine(),
    plan: Plan = FULL,
) -> Finding:
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
        machine=machine,
        commit=commit,
        plan=asdict(plan),
    )


def test_a_page_says_what_falls_short_and_what_is_simulated(tmp_path: Path) -> None:
    page.write([finding(1, 0.5)], tmp_path / "bench.md", "1a2b3c4")
    text = (tmp_path / "bench.md").read_text()
    assert "| 1 | served ÷ raw | 0.500 | 1.010 | ≥ 0.95 | **short** |" in text
    assert "|  | tax | 4.0 ms |  | ≤ 5 ms | met |" in text
    assert "cores" in text
    assert "**simulated**" in text
    assert "![Point 1](bench-1.png)" in text
    assert (tmp_path / "bench-1.png").read_bytes().startswith(b"\x89PNG")


def test_a_point_taken_again_takes_its_place_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "bench.md"
    page.write([finding(1, 0.5), finding(3, 0.6)], path, "1a2b3c4")
    page.write([finding(1, 0.9)], path, "1a2b3c4")
    found = saved.merged([], path.with_suffix(".json"))
    assert [(each.point, each.figures[0].found.median) for each in found] == [(1, 0.9), (3, 0.6)]
    assert "## 3. Point 3" in path.read_text()


def test_a_page_names_its_commit_and_flags_a_point_that_was_kept_from_another(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bench.md"
    page.write([finding(3, 0.6, commit="0f0f0f0")], path, "0f0f0f0")
    page.write([finding(1, 0.5)], path, "1a2b3c4")
    text = path.read_text()
    assert "- Commit: 1a2b3c4" in text
    assert "**Of other code than the rest:** 3 (taken at 0f0f0f0)." in text
    assert "*2026-12-01*; **taken at 0f0f0f0**\n" in text
    assert "*2026-12-01*\n" in text


def test_a_point_of_another_machine_stays_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "bench.md"
    page.write([finding(3, 0.6, machine="64 cores elsewhere")], path, "1a2b3c4")
    page.write([finding(1, 0.5)], path, "1a2b3c4")
    text = path.read_text()
    assert f"- Machine: {describe_machine()}, but" in text
    assert "*2026-12-01*; **on another machine: 64 cores elsewhere**\n" in text
    assert text.count("another machine:") == 1


def test_a_point_kept_from_before_commits_were_written_down_is_flagged(tmp_path: Path) -> None:
    page.write([finding(3, 0.6, commit="")], tmp_path / "bench.md", "1a2b3c4")
    assert "**taken at an unknown commit**" in (tmp_path / "bench.md").read_text()


def test_each_point_keeps_the_plan_that_it_was_taken_under(tmp_path: Path) -> None:
    path = tmp_path / "bench.md"
    short = replace(FULL, callers=QUICK.callers)
    page.write([finding(3, 0.6, plan=short)], path, "1a2b3c4")
    page.write([finding(1, 0.5)], path, "1a2b3c4")
    one, three = saved.merged([], path.with_suffix(".json"))
    assert one.plan["callers"] == FULL.callers
    assert three.plan["callers"] == QUICK.callers
    assert "*; of another plan than the whole one: callers 480\n" in path.read_text()


def test_a_commit_is_said_to_have_changes_where_code_was_changed_but_not_where_a_page_was(
    tmp_path: Path,
) -> None:
    def git(*arguments: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", "-C", tmp_path, *who, *arguments], check=True, capture_output=True)

    assert describe_commit(tmp_path) == "no commit"
    git("init")
    code, page = tmp_path / "code.py", tmp_path / "docs" / "bench.md"
    page.parent.mkdir()
    for each in (code, page):
        each.write_text("one")
    git("add", ".")
    git("commit", "--message", "one")
    commit = describe_commit(tmp_path)
    assert commit.isalnum()
    page.write_text("two")
    assert describe_commit(tmp_path) == commit
    code.write_text("two")
    assert describe_commit(tmp_path) == f"{commit}+changes"


def test_the_terminal_shows_all_points(capsys) -> None:
    tables.show([finding(2, 0.97)])
    shown = capsys.readouterr().out
    assert "served ÷ raw" in shown
    assert "met" in shown
