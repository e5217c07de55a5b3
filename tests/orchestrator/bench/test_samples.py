"""pass@k and votes against values worked out by hand."""

import pytest

from headgate.orchestrator.bench.samples import majority_at, pass_at

from .conftest import votes


def test_pass_at_k_counts_the_ways_to_choose_only_wrong_ones() -> None:
    # 5 samples, 2 right: of the C(5, 2) = 10 pairs, C(3, 2) = 3 hold none that is right
    assert pass_at(5, 2, 2) == pytest.approx(0.7)
    assert pass_at(5, 2, 1) == pytest.approx(0.4)
    assert (pass_at(5, 2, 4), pass_at(5, 0, 5), pass_at(1, 1, 1)) == (1.0, 0.0, 1.0)


def test_a_majority_of_one_is_the_share_that_is_right() -> None:
    assert majority_at(votes("5", "5", "6", "7"), 1) == pytest.approx(0.5)


def test_a_majority_of_all_is_the_vote_itself() -> None:
    assert majority_at(votes("5", "5", "6"), 3) == 1.0
    assert majority_at(votes("6", "6", "5"), 3) == 0.0


def test_a_tie_gives_each_winner_its_part() -> None:
    # of the three pairs: 5-5 is right, 5-6 twice is a tie
    assert majority_at(votes("5", "5", "6"), 2) == pytest.approx((1 + 0.5 + 0.5) / 3)


def test_a_sample_without_an_answer_does_not_vote() -> None:
    assert majority_at(votes("", "", "5"), 3) == 1.0
    assert majority_at(votes("", ""), 2) == 0.0


def test_many_ways_to_choose_are_drawn_the_same_each_time() -> None:
    samples = votes(*["5"] * 12, *["6"] * 8)
    assert majority_at(samples, 9) == majority_at(samples, 9)
    # by hand: at least 5 of 9 right without return, hypergeometric(20, 12, 9) = 0.815
    assert majority_at(samples, 9) == pytest.approx(0.815, abs=0.03)


@pytest.mark.parametrize("k", [0, 3])
def test_more_samples_than_there_are_are_refused(k: int) -> None:
    with pytest.raises(ValueError, match=f"pass@{k} needs"):
        pass_at(2, 1, k)
    with pytest.raises(ValueError, match=f"majority@{k} needs"):
        majority_at(votes("5", "5"), k)
