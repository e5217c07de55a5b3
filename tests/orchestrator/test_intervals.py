"""Intervals against figures from the literature and by hand."""

import pytest

from headgate.orchestrator.intervals import bootstrap, chance, clustered, paired, wilson


def test_wilson_gives_the_published_interval_of_81_of_263() -> None:
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)


def test_wilson_stays_inside_zero_and_one() -> None:
    assert wilson(0, 20)[0] == 0
    assert wilson(20, 20)[1] == pytest.approx(1)
    assert wilson(0, 0) == (0.0, 1.0)


def test_tries_that_always_agree_count_once() -> None:
    low, high = clustered([1.0] * 30 + [0.0] * 10, tries=4)
    assert (low, high) == pytest.approx(wilson(30, 40))


def test_tries_that_vary_as_coins_do_count_each() -> None:
    # four problems, two tries each; p = 1/2, sample variance of the means 1/6, so n p (1 - p) / variance = 6 trials
    assert clustered([0.0, 0.5, 0.5, 1.0], tries=2) == pytest.approx(wilson(3, 6))
    # means that do not vary at all: every try counts, and no more than every try
    assert clustered([0.5, 0.5, 0.5, 0.51], tries=2) == pytest.approx(wilson(8 * 0.5025, 8))


def test_one_try_a_problem_is_plain_wilson() -> None:
    assert clustered([1.0, 0.0, 1.0], tries=1) == wilson(2, 3)
    assert clustered([1.0] * 9, tries=3) == wilson(9, 9)


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


def test_the_bootstrap_of_paired_differences_has_their_standard_error() -> None:
    left, right = [1.0] * 60 + [0.0] * 40, [1.0] * 40 + [0.0] * 60
    difference, low, high = bootstrap(left, right, seed=1)
    assert difference == pytest.approx(0.2)
    # by hand: differences are 20 ones and 80 zeros, so 0.2 +- 1.96 sqrt(0.2 * 0.8 / 100) = 0.122 to 0.278
    assert (low, high) == pytest.approx((0.122, 0.278), abs=0.015)
    assert bootstrap(left, right, seed=1) == (difference, low, high)


def test_the_bootstrap_of_what_never_differs_is_a_point() -> None:
    assert bootstrap([1.0, 0.0], [1.0, 0.0]) == (0.0, 0.0, 0.0)


def test_a_difference_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one item"):
        bootstrap([], [])


def test_chance_is_mcnemars_exact_test_where_tries_are_single() -> None:
    # 8 discordant pairs, 7 of them one way: 2 * (C(8, 0) + C(8, 1)) / 2 ** 8
    left, right = [1.0] * 7 + [0.0] + [1.0] * 20, [0.0] * 7 + [1.0] + [1.0] * 20
    assert chance(left, right) == pytest.approx(18 / 256)
    assert chance(right, left) == chance(left, right)
    assert chance([1.0, 0.0], [1.0, 0.0]) == 1


def test_chance_by_flipped_signs_agrees_with_the_exact_test() -> None:
    left, right = [1.0] * 7 + [0.0] + [0.5] * 4, [0.0] * 7 + [1.0] + [0.5] * 4
    halves = [(a / 2, b / 2) for a, b in zip(left, right, strict=True)]
    drawn = chance([a for a, _ in halves], [b for _, b in halves], resamples=20_000)
    assert drawn == pytest.approx(18 / 256, abs=0.006)
