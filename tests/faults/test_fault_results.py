"""What trials come to: fates of requests, recovery, and the page."""

from pathlib import Path

import pytest

from loadtest.faults.clients.told import (
    CUT,
    LATE,
    OK,
    PROXY,
    REFUSED,
    SERVER,
    UNREACHABLE,
    WRONG,
    Attempt,
    Request,
    Words,
    compared,
)
from loadtest.faults.report.page import load, write
from loadtest.faults.results import fates, is_kept, met, recovery
from loadtest.faults.trial import Trial


def request(
    began_s: float, *outcomes: str, took_s: float = 0.1, wire: str = "upload", answered: bool = True
) -> Request:
    attempts = [
        Attempt(began_s + number * took_s, began_s + (number + 1) * took_s, outcome)
        for number, outcome in enumerate(outcomes)
    ]
    return Request(wire, began_s, attempts[-1].ended_at, attempts, answered, Words(4))


CALM = [request(-10.0 + number, OK) for number in range(9)]


def test_words_are_lost_repeated_or_others() -> None:
    assert compared(["one", "two", "three"], ["one", "two", "three"]).is_right
    assert compared(["one", "two", "three"], ["one", "three"]) == Words(3, num_lost=1)
    assert compared(["one", "two"], ["one", "two", "two"]) == Words(2, num_repeated=1)
    assert compared(["one", "two"], ["one", "six"]) == Words(2, num_other=1)


def test_what_ended_before_the_fault_did_not_meet_it() -> None:
    across = request(-1.0, OK, took_s=2.0)
    assert met(Trial("lose-worker", [*CALM, across])) == [across]


@pytest.mark.parametrize(
    ("outcome", "count", "is_fault"),
    [
        (REFUSED, "refused", False),
        (UNREACHABLE, "refused", False),
        (CUT, "wire", False),
        (PROXY, "wire", False),
        (SERVER, "server", True),
        (LATE, "server", True),
    ],
)
def test_an_attempt_is_told_by_who_lost_it(outcome: str, count: str, is_fault: bool) -> None:
    trial = Trial("lose-worker", [*CALM, request(1.0, outcome, OK)])
    assert getattr(fates(trial.requests), count) == 1
    assert is_kept(trial) is not is_fault


def test_no_answer_and_a_wrong_one_break_the_word() -> None:
    assert is_kept(Trial("lose-worker", CALM))
    assert not is_kept(Trial("lose-worker", [*CALM, request(1.0, CUT, answered=False)]))
    assert not is_kept(Trial("lose-worker", [*CALM, request(1.0, WRONG)]))


def test_recovery_ends_with_the_last_failure_or_the_last_slow_window() -> None:
    failing = Trial("x", [*CALM, request(4.0, CUT, OK, took_s=0.05)], ended_s=30.0)
    assert recovery(failing).as_before_s == 4.0
    slow = Trial("x", [*CALM, request(7.0, OK, took_s=2.0), request(10.0, OK)], ended_s=30.0)
    assert recovery(slow).as_before_s == 9.0
    assert recovery(slow).slowest_s == 2.0
    assert recovery(Trial("x", CALM, ended_s=30.0)).as_before_s == 0.0


def test_a_silence_of_a_stream_counts_beyond_that_of_an_undisturbed_one() -> None:
    usual, longer = request(-9.0, OK, wire="live"), request(-1.0, OK, wire="live", took_s=9.0)
    usual.silence_s, longer.silence_s = 2.0, 5.0
    assert recovery(Trial("x", [usual, longer])).longest_silence_s == 3.0


def test_the_page_has_each_fault_its_plot_and_figures_that_can_be_read_again(
    tmp_path: Path,
) -> None:
    requests = [*CALM, request(1.0, CUT, OK), request(-5.0, OK, wire="live", took_s=20.0)]
    trials = [Trial("lose-worker", requests, [(0.0, "l4-a is lost")], 12.0, 30.0)]
    page = tmp_path / "faults.md"
    write(page, trials, {"machine": "two cores"})
    assert "| [lose-worker](#lose-worker) (1 ×) |" in page.read_text()
    assert "two cores" in page.read_text()
    assert (tmp_path / "faults/lose-worker.png").stat().st_size > 10_000
    again, conditions = load(tmp_path / "faults.json")
    assert again == trials
    assert conditions == {"machine": "two cores"}
