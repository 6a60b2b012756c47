"""Climbing until it breaks, and the bisection behind."""

import itertools

import pytest

from loadtest.capacity.search.knee import Knee, Try, find_knee


def search(carried, **options):
    """Of a server that carries exactly so much."""
    tried = []

    def measure(load):
        tried.append(load)
        return load

    given = {"start": 2.0, "least": 0.1, "most": 1000.0} | options
    return find_knee(measure, lambda load: load <= carried, **given), tried


@pytest.mark.parametrize("carried", [0.3, 1.9, 2.0, 11.0, 300.0])
def test_the_knee_is_found_within_its_precision(carried):
    knee, tried = search(carried, precision=0.1)
    assert knee.held.load <= carried < knee.broken.load
    assert knee.broken.load / knee.held.load <= 1.1 + 1e-9
    assert len(tried) <= 18


def test_streams_are_whole_and_the_knee_is_exact_where_there_are_few():
    knee, tried = search(5, start=2, least=1, most=64, precision=0.01, whole=True)
    assert (knee.held.load, knee.broken.load) == (5, 6)
    assert all(load == int(load) for load in tried)


def test_a_climb_ends_at_the_most_that_is_allowed():
    knee, tried = search(1e9, start=8, most=30)
    assert tried == [8, 16, 30]
    assert knee.held.load == 30
    assert knee.broken is None


def test_what_never_holds_is_tried_down_to_the_least():
    knee, tried = search(0.0, start=2.0, least=0.5)
    assert tried == [2.0, 0.5]
    assert knee.held is None


def test_a_load_that_held_by_luck_above_one_that_broke_does_not_count():
    answers = iter([True, True, False, False, True, True])
    knee = find_knee(
        lambda load: load, lambda load: next(answers), start=1.0, least=0.1, most=100.0,
        precision=0.05, has_time=itertools.chain([True] * 4, itertools.repeat(False)).__next__,
    )  # fmt: skip
    assert knee.held.load < knee.broken.load


def test_a_search_goes_on_from_what_is_known():
    known = (Try(2.0, 2.0, True), Try(2.2, 2.2, False), Try(6.0, 6.0, True))
    knee, tried = search(20.0, known=known, start=0.5)
    assert tried[0] == 12.0  # up from what held, though something broke far below
    assert knee.held.load <= 20.0 < knee.broken.load
    assert knee.tries[:3] == known


def test_what_broke_a_little_below_a_load_that_held_stays_broken():
    tries = (Try(2.0, 2.0, True), Try(2.2, 2.2, False), Try(3.0, 3.0, True))
    assert Knee(tries).held.load == 2.0


def test_no_measurement_begins_when_time_is_up():
    knee, tried = search(100.0, has_time=lambda: False)
    assert tried == [2.0]
    assert knee.held.load == 2.0
