"""What is read out of a trial, and when it breaks the objective."""

import json
import math
import random

import pytest

from loadtest.capacity.search.trials import (
    Objective,
    Outcome,
    Trial,
    broken_streams,
    broken_uploads,
    growth,
    outcomes_in,
    quantile,
)

GOAL = Objective(upload_p95_s=2.0, final_p95_s=1.0, live_lag_p95_s=1.0)


def uploads(times_s, **values):
    outcomes = tuple(
        Outcome(at_s=index * 0.1, took_s=took_s, audio_s=5.0)
        for index, took_s in enumerate(times_s)
    )
    given = {"kind": "uploads", "load": 10.0, "window_s": 10.0, "outcomes": outcomes} | values
    return Trial(**given)


def test_a_quantile_is_one_of_the_values():
    values = list(range(1, 101))
    random.Random(1).shuffle(values)
    assert [quantile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert quantile([], 0.5) == math.inf


def test_a_trial_that_keeps_the_objective_has_no_complaints():
    assert broken_uploads(uploads([0.5] * 100), GOAL) == []


def test_more_than_a_few_refusals_break_it_and_are_told_with_their_reason():
    refused = Outcome(0.0, 0.01, 5.0, error="CatchResponseError: 429 at_capacity")
    assert refused.is_refused
    answered = uploads([0.5] * 98).outcomes
    assert broken_uploads(uploads([], outcomes=(*answered, refused, refused)), GOAL) == [
        "2 of 100 failed: 2 × 429 at_capacity"
    ]
    assert (
        broken_uploads(uploads([], outcomes=(*answered[:-1], *answered[-2:], refused)), GOAL) == []
    )


def test_an_error_that_is_no_refusal_breaks_it_at_once():
    lost = Outcome(0.0, 0.01, 5.0, error="CatchResponseError: 500 internal_error")
    trial = uploads([], outcomes=(*uploads([0.5] * 999).outcomes, lost))
    assert broken_uploads(trial, GOAL) == ["1 of 1000 failed: 1 × 500 internal_error"]


def test_slow_answers_break_it_at_the_95th_percentile():
    assert broken_uploads(uploads([0.5] * 96 + [9.0] * 4), GOAL) == []
    assert broken_uploads(uploads([0.5] * 94 + [9.0] * 6), GOAL) == ["p95 is 9.00 s"]


def test_a_wait_that_grows_breaks_it_though_it_is_short_yet():
    growing = uploads([0.2 + 0.01 * index for index in range(100)])
    assert broken_uploads(growing, GOAL) == ["the wait grows by 0.10 s a second"]


def test_chance_is_seldom_taken_for_growth():
    rng = random.Random(3)
    found = 0
    for _ in range(200):
        points = [(at / 10, rng.expovariate(2.0)) for at in range(200)]
        found += growth(points) > 0
    assert found < 24  # one-sided at 95 %: ten are expected


def test_callers_that_are_late_themselves_are_no_measurement():
    late = tuple(Outcome(0.1, 0.9, 5.0, late_s=0.8) for _ in range(100))
    (complaint,) = broken_uploads(uploads([], outcomes=late), GOAL)
    assert "callers" in complaint


def test_wrong_words_break_it():
    heard = tuple(Outcome(0.1, 0.1, 5.0, num_words=10, num_wrong=2) for _ in range(10))
    assert broken_uploads(uploads([], outcomes=heard), GOAL) == ["20.0% of the words are wrong"]


def test_a_dilated_trial_is_told_at_full_speed():
    trial = uploads([30.0] * 100, dilation=60.0)
    assert trial.latency_s(0.95) == 0.5
    assert trial.per_s == 600.0
    assert trial.audio_s_per_s == 3000.0
    assert broken_uploads(trial, GOAL) == []


def test_streams_are_judged_by_their_last_text_and_by_the_lag_on_the_way():
    def of(took_s, lag_s):
        outcomes = (Outcome(0.0, took_s, 8.0, lags_s=(lag_s,)),) * 20
        return Trial("streams", 20, 10.0, outcomes)

    assert broken_streams(of(0.2, 0.3), GOAL) == []
    assert "final texts" in broken_streams(of(1.2, 0.3), GOAL)[0]
    assert "behind the speaker" in broken_streams(of(0.2, 1.3), GOAL)[0]


def streams_behind(lag_at, *, num=20, spread_s=6.0, length_s=24.0):
    """Streams that begin one after the other, as far behind as `lag_at` says of the trial."""
    outcomes = []
    for index in range(num):
        began_s = 1000.0 + index * spread_s / num
        moments = tuple(began_s + step * 0.5 for step in range(1, int(length_s / 0.5)))
        lags_s = tuple(lag_at(at_s - 1000.0) for at_s in moments)
        outcomes.append(Outcome(0.0, 0.3, length_s, lags_s=lags_s, lags_at_s=moments))
    return Trial("streams", num, 40.0, tuple(outcomes))


def test_a_lag_of_streams_that_grows_breaks_it_though_it_is_short_yet():
    overloaded = streams_behind(lambda at_s: 0.2 + 0.02 * at_s)
    assert overloaded.lag_s(0.95) < GOAL.live_lag_p95_s
    assert broken_streams(overloaded, GOAL) == ["texts fall behind by 0.02 s a second"]


def test_a_lag_that_stays_or_grows_only_while_streams_still_come_holds():
    assert broken_streams(streams_behind(lambda at_s: 0.2 + 0.1 * (at_s % 1.0)), GOAL) == []
    assert broken_streams(streams_behind(lambda at_s: 0.2 + 0.05 * min(at_s, 6.0)), GOAL) == []


def test_nothing_answered_is_no_success():
    trial = uploads([], outcomes=(Outcome(0.0, 1.0, 5.0, error="UnansweredError: after 9 s"),))
    complaints = broken_uploads(trial, GOAL)
    assert "nothing was answered" in complaints
    assert complaints[0] == "1 of 1 failed: 1 × UnansweredError"


def test_records_of_all_workers_are_read_and_lateness_counts_as_waiting(tmp_path):
    line = {
        "kind": "POST",
        "name": "/v1",
        "took_s": 0.5,
        "late_s": 0.25,
        "audio_s": 4.0,
        "error": "",
    }
    other = {**line, "name": "/jobs"}
    (tmp_path / "1.jsonl").write_text(json.dumps(line) + "\n" + json.dumps(other) + "\n")
    (tmp_path / "2.jsonl").write_text(json.dumps(line) + "\n")
    found = outcomes_in(tmp_path, "POST", "/v1")
    assert [each.took_s for each in found] == [0.75, 0.75]


@pytest.mark.parametrize("num_points", [0, 5, 11])
def test_too_few_points_show_no_growth(num_points):
    assert growth([(float(at), float(at)) for at in range(num_points)]) == 0.0
