"""What the comparison of policies makes of what it saw."""

import argparse
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.bench.load import BenchError
from loadtest.scaling import arms, report
from loadtest.scaling.__main__ import main
from loadtest.scaling.callers import Outcome, Uploads
from loadtest.scaling.live import Visit
from loadtest.scaling.loads import BEGINS_AT_S, Arrival, Load, loads
from loadtest.scaling.results import LiveRun, Run, Trace, numbers, void_loads
from serve_app import serve_config

STEP, RAMP, BURST, DAY = loads(2.0)
TRACE = Trace(
    at_s=(-0.5, 5.0, 15.0, 20.0, 30.0, 40.0),
    running=(1, 1, 1, 3, 3, 1),
    target=(1, 1, 3, 3, 1, 1),
)


@pytest.mark.parametrize("load", [STEP, RAMP, BURST, DAY], ids=lambda load: load.name)
def test_arrivals_are_the_same_for_a_seed_and_about_as_much_as_is_meant(load: Load) -> None:
    found = load.arrivals(8.0, 1)
    assert found == load.arrivals(8.0, 1)
    assert found != load.arrivals(8.0, 2)
    meant_s = 8.0 * sum(load.level(at_s) for at_s in range(120))
    clips_s = sum(arrival.audio_s for arrival in found if arrival.audio_s < 60.0)
    assert clips_s == pytest.approx(meant_s, rel=0.3)


def test_a_burst_is_of_long_recordings_at_two_moments() -> None:
    long = [arrival.at_s for arrival in BURST.arrivals(8.0, 1) if arrival.audio_s == 60.0]
    assert len(long) == 16
    assert len(set(long)) == 2


def test_the_ideal_has_one_replica_and_no_more_than_there_may_be() -> None:
    assert STEP.ideal_replica_s([], 8.0, until_s=120.0) == 120.0
    assert STEP.ideal_replica_s([Arrival(0.0, 32.0)], 8.0, until_s=120.0) == 123.0
    # 20 replicas' work of a second: three seconds of eight, eight and four
    assert STEP.ideal_replica_s([Arrival(0.0, 160.0)], 8.0, until_s=120.0) == 137.0


def test_replica_seconds_count_those_that_start() -> None:
    assert TRACE.replica_s(until_s=40.0) == 1 * 5 + 1 * 10 + 3 * 5 + 3 * 10 + 1 * 10
    assert TRACE.replica_s(until_s=17.0) == 1 * 5 + 1 * 10 + 3 * 2


def test_the_first_added_replica_counts_when_it_serves() -> None:
    assert TRACE.first_added_s(BEGINS_AT_S) == 10.0
    assert TRACE.first_added_s(25.0) is None


def test_a_flap_is_a_turn_that_the_load_did_not_make() -> None:
    nervous = Trace(tuple(map(float, range(6))), (1,) * 6, (1, 3, 2, 2, 4, 1))
    assert (TRACE.num_turns, nervous.num_turns) == (1, 3)
    run = Run(STEP, arms.AUDIO, (Outcome(Arrival(1.0, 8.0), 1.0, 200),), nervous)
    assert numbers(run, objective_s=10.0, per_s=8.0).num_flaps == 2


def test_an_answer_has_the_time_that_its_audio_takes_on_top_and_a_failure_is_never_in_time() -> (
    None
):
    outcomes = (
        Outcome(Arrival(1.0, 8.0), 10.9, 200),
        Outcome(Arrival(1.0, 8.0), 11.1, 200),
        Outcome(Arrival(1.0, 80.0), 19.0, 200),
        Outcome(Arrival(1.0, 8.0), 0.1, 429),
    )
    found = numbers(Run(STEP, arms.AUDIO, outcomes, TRACE), objective_s=10.0, per_s=8.0)
    assert (found.in_time, found.num_failed) == (0.5, 1)


def test_an_upload_holds_as_much_audio_as_is_wanted() -> None:
    request = Uploads().request(2.5, "model", "host")
    head, _, content = request.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(content)}".encode() in head
    assert content.count(b"RIFF") == 1
    assert 40_000 < len(content) < 41_000


def test_the_document_passes_the_check_and_arms_differ_in_their_policy_and_what_it_sees() -> None:
    found = arms.document(Path("configs/simulated.yaml"), target_ongoing=6.0)
    assert not list(serve_config.check(found))
    application = found["applications"][0]
    audio, requests = application["args"]["models"][:2]
    held = audio["batch"]["max_batches_held"], requests["batch"]["max_batches_held"]
    assert held == (2.0, 1_000.0)  # Serve's default counts calls, which the bound keeps back
    assert {**audio, "name": "", "batch": {**audio["batch"], "max_batches_held": 0}} == {
        **requests, "name": "", "batch": {**requests["batch"], "max_batches_held": 0}
    }  # fmt: skip
    by_name = {each["name"]: each["autoscaling_config"] for each in application["deployments"][2:]}
    ours, default = dict(by_name[arms.AUDIO]), dict(by_name[arms.REQUESTS])
    assert ours.pop("policy") != default.pop("policy")
    assert default.pop("target_ongoing_requests") == 6.0
    assert ours == default


def test_a_load_is_void_in_both_arms_where_one_did_not_begin_with_one_replica() -> None:
    outcomes = (Outcome(Arrival(1.0, 8.0), 1.0, 200),)
    early = replace(TRACE, target=(3, *TRACE.target[1:]))
    runs = [Run(STEP, arms.AUDIO, outcomes, TRACE), Run(STEP, arms.REQUESTS, outcomes, early),
            Run(RAMP, arms.AUDIO, outcomes, TRACE)]  # fmt: skip
    assert void_loads(runs) == ["step"]
    table = report.table(runs, 10.0)
    assert "| step | AudioPolicy | **void**, began with 1 of 1 |" in table
    assert "| step | Serve's default | **void**, began with 1 of 3 |" in table
    assert "| ramp | AudioPolicy | 10.0 s |" in table
    live = LiveRun(arms.CALLS, (), early, 40.0)
    assert "**void**" in report.live_table([live])


def test_one_look_at_the_replicas_that_fails_does_not_end_the_watch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(arms, "_POLL_S", 0.0)
    answers = iter([{arms.AUDIO: (1, 1)}, None, {arms.AUDIO: (1, 3)}])
    looked, ended = threading.Event(), threading.Event()

    def count() -> dict[str, arms.Counts]:
        answer = next(answers, {})
        if answer is None:
            raise RuntimeError("the controller is late")
        if not answer:
            looked.set()
            ended.wait(5)
        return answer

    with arms.watched(count) as replicas:
        assert looked.wait(5)
        assert replicas.target == {arms.AUDIO: [1, 3]}
        assert isinstance(replicas.error, RuntimeError)
        ended.set()


def test_a_load_in_which_nobody_saw_the_replicas_fails_the_run() -> None:
    replicas = arms.Replicas(error=RuntimeError("gone"))
    for at in (99.0, 104.0, 109.0):
        replicas.add(at, {arms.AUDIO: (1, 1)})
    replicas.require_seen(100.0, 110.0)
    with pytest.raises(BenchError, match=r"for 21 s.*gone"):
        replicas.require_seen(100.0, 130.0)
    with pytest.raises(BenchError, match="for 20 s"):
        arms.Replicas().require_seen(100.0, 120.0)


def test_an_arm_is_settled_with_one_replica_that_serves() -> None:
    replicas = arms.Replicas()
    assert not replicas.are_settled([arms.AUDIO])
    replicas.add(0.0, {arms.AUDIO: (0, 1)})
    assert not replicas.are_settled([arms.AUDIO])
    replicas.add(1.0, {arms.AUDIO: (1, 1)})
    assert replicas.are_settled([arms.AUDIO])


def test_a_page_has_its_tables_plots_and_all_that_was_seen_beside_it(tmp_path: Path) -> None:
    outcomes = (Outcome(Arrival(1.0, 8.0), 1.0, 200),)
    runs = [Run(STEP, arm, outcomes, TRACE) for arm in (arms.AUDIO, arms.REQUESTS)]
    visits = (Visit(10.0, 0.1, 0), Visit(11.0, None, 3))
    live = [LiveRun(arm, visits, TRACE, 40.0) for arm in (arms.SLOTS, arms.CALLS)]
    args = argparse.Namespace(
        objective=10.0, target=6.0, seed=1, minutes=2.0, remark="Alone.", quick=False
    )
    path = tmp_path / "scaling.md"
    report.write(report.page(runs, live, args), runs, live, path)
    text = path.read_text()
    assert "| step | AudioPolicy | 10.0 s | 100.0% of 1 |" in text
    assert "| SlotsPolicy | 10.0 s | 1 of 2 | 1 | 3 |" in text
    assert "- Alone.\n" in text
    assert "$" not in text
    names = {each.name for each in tmp_path.iterdir()}
    assert names == {"scaling.md", "scaling.png", "scaling-live.png", "scaling.json"}


def test_the_help_tells_the_four_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    for number in ("first added", "in time", "spent/ideal", "flaps"):
        assert number in text
