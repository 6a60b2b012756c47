"""What is under way and how fast it gets on, by a clock of the test's own."""

from contextlib import ExitStack

import pytest

from serve_app.config import BatchConfig
from serve_app.deployments.demand.workload import Workload

BATCH = BatchConfig(max_batch_audio_s=30.0, max_batch_size=4)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_nothing_is_told_before_something_was_measured() -> None:
    clock = Clock()
    workload = Workload("model", BATCH, clock)
    assert workload.load().audio_s_per_s is None
    with workload.recording(60.0):
        clock.now_s += 30.0
        assert workload.load().audio_s_per_s is None


def test_what_remains_is_what_was_expected_until_the_decoder_knows_better() -> None:
    workload = Workload("model", BATCH, Clock())
    with workload.recording(60.0) as one, workload.recording(5.0) as other:
        assert (workload.load().num_recordings, workload.load().remaining_audio_s) == (2, 65.0)
        one.decoded(10.0)
        one.decoded_all()
        other.decoded(20.0)
        other.done(4.0)
        assert workload.load().remaining_audio_s == 10.0 + 16.0
    assert workload.load().num_recordings == 0
    assert workload.load().remaining_audio_s == 0.0


def test_the_rate_is_that_of_the_time_in_which_more_waits_than_a_batch_holds() -> None:
    clock = Clock()
    workload = Workload("model", BATCH, clock)
    for _ in range(50):
        with workload.recording(5.0) as alone:  # could be done far faster, if there were more
            clock.now_s += 1.0
            alone.done(5.0)
    assert workload.load().audio_s_per_s is None
    for _ in range(50):
        with workload.recording(1_000.0) as recording:
            clock.now_s += 0.5
            recording.done(10.0)
        clock.now_s += 100.0  # idle
    assert workload.load().audio_s_per_s == pytest.approx(20.0, rel=0.1)


def test_many_short_recordings_are_more_than_a_batch_holds_too() -> None:
    clock = Clock()
    workload = Workload("model", BATCH, clock)
    with ExitStack() as stack:
        short = [stack.enter_context(workload.recording(1.0)) for _ in range(40)]
        for recording in short[:20]:
            clock.now_s += 0.25
            recording.done(1.0)
    assert workload.load().audio_s_per_s == pytest.approx(4.0, rel=0.1)


def test_the_rate_follows_a_rush_at_once_and_outlasts_a_long_batch() -> None:
    clock = Clock()
    workload = Workload("model", BATCH, clock)
    with workload.recording(1e6) as recording:
        for _ in range(100):
            clock.now_s += 1.0
            recording.done(5.0)
        for _ in range(5):
            clock.now_s += 1.0
            recording.done(100.0)
        assert (workload.load().audio_s_per_s or 0.0) > 50.0
        clock.now_s += 20.0
        assert (workload.load().audio_s_per_s or 0.0) > 5.0


def test_the_rate_of_what_answers_nothing_any_more_falls() -> None:
    clock = Clock()
    workload = Workload("model", BATCH, clock)
    with workload.recording(1e6) as recording:
        clock.now_s += 10.0
        recording.done(1000.0)
        before = workload.load().audio_s_per_s
        clock.now_s += 300.0
        after = workload.load().audio_s_per_s
    assert before is not None
    assert after is not None
    assert after < before / 50
