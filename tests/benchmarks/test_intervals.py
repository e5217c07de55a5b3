"""Intervals against figures from the literature and by hand."""

import pytest

from headgate.benchmarks.intervals import paired, wilson


def test_wilson_gives_the_published_interval_of_81_of_263() -> None:
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)


def test_wilson_stays_inside_zero_and_one() -> None:
    assert wilson(0, 20)[0] == 0
    assert wilson(20, 20)[1] == pytest.approx(1)
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_paired_difference_counts_only_what_differs() -> None:
    left, right = [True] * 8 + [False] * 2, [True] * 5 + [False] * 5
    difference, low, high = paired(left, right)
    assert difference == pytest.approx(0.3)
    # standard error sqrt(3 - 10 * 0.09) / 10
    assert (low, high) == pytest.approx((0.3 - 1.96 * 0.14491, 0.3 + 1.96 * 0.14491), abs=1e-4)


def test_no_difference_at_all_still_has_a_width() -> None:
    difference, low, high = paired([True] * 50, [True] * 50)
    assert difference == 0
    assert low < 0 < high
