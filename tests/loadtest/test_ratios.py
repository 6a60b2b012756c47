"""The benchmark's arithmetic of ratios."""

import math

import pytest

from loadtest.bench.ratios import (
    between_neighbours,
    estimate,
    of_neighbours,
    pooled,
    quantile,
)


def test_the_bootstrap_gives_the_same_interval_at_each_run_and_holds_the_median() -> None:
    values = [1.0, 1.2, 0.9, 1.1, 1.05, 0.95, 1.0]
    found = estimate(values)
    assert found == estimate(values)
    assert found.median == 1.0
    assert 0.9 <= found.low < found.median < found.high <= 1.2


def test_an_interval_narrows_with_the_number_of_values() -> None:
    few, many = estimate([0.9, 1.0, 1.1]), estimate([0.9, 1.0, 1.1] * 30)
    assert many.high - many.low < few.high - few.low


def test_a_single_value_has_no_interval_and_is_shown_without_one() -> None:
    assert estimate([0.5]).shown() == "0.500"
    assert estimate([0.5, 0.7]).shown(1) == "0.6 (0.5 to 0.7)"


def test_a_ratio_of_sums_weighs_each_batch_by_its_size() -> None:
    found = pooled([(1.0, 1.0), (0.0, 9.0)])
    assert found.median == 0.1
    assert (found.low, found.high) == (0.0, 1.0)


def test_an_arm_is_held_against_the_mean_of_its_two_neighbours() -> None:
    assert between_neighbours([1.0, 3.0, 5.0], [4.0, 2.0]) == [2.0, 0.5]
    assert of_neighbours([1.0, 3.0, 6.0]) == [3.0, 2.0]


def test_a_quantile_is_a_value_that_occurred() -> None:
    found = [quantile([3.0, 1.0, 2.0, 4.0], share) for share in (0.01, 0.5, 0.95, 1.0)]
    assert found == [1.0, 2.0, 4.0, 4.0]
    assert math.isnan(quantile([], 0.5))
    assert estimate([2.0]).scaled(10).median == pytest.approx(20.0)
