"""A recipe's figures against values worked out by hand."""

import math
import random

import pytest

from headgate.orchestrator.bench.frontier import frontier
from headgate.orchestrator.bench.metrics import cost_of_pass, difference, pareto, row, sampled
from headgate.orchestrator.bench.records import Record
from headgate.orchestrator.intervals import wilson

from .conftest import a_record, binomial, votes


def test_a_row_holds_means_a_problem() -> None:
    records = [
        a_record("a", draft=30, target=10, dollars=2.0, seconds=1.0),
        a_record("b", right=False, draft=10, target=50, dollars=4.0, seconds=3.0, status="abstained"),
    ]
    one = row("r", records)
    assert (one.n, one.tries, one.accuracy, one.low, one.high) == (2, 1, 0.5, *wilson(1, 2))
    assert (one.tokens["draft"]["generated"], one.tokens["target"]["kept"]) == (20, 30)
    assert (one.generated, one.spent, one.dollars, one.seconds) == (50, 250, 3.0, 2.0)
    assert one.target_share == pytest.approx(60 / 100)
    assert one.cost_of_pass == pytest.approx(3.0 / 0.5)
    assert one.e3 == pytest.approx(50**2 / 50)
    assert (one.abstained, one.exhausted) == (0.5, 0.0)


def test_seeds_are_shares_of_one_problem_each() -> None:
    records = [a_record("a", seed=0), a_record("a", seed=1, right=False), a_record("b", seed=0), a_record("b", seed=1)]
    one = row("r", records)
    assert (one.n, one.tries, one.accuracy) == (2, 2, 0.75)


def test_without_references_what_is_right_is_unknown_and_the_cost_is_not() -> None:
    one = row("r", [a_record("a", right=None, dollars=2.0)])
    assert (one.accuracy, one.cost_of_pass, one.e3, one.dollars) == (None, None, None, 2.0)


def test_a_missing_price_leaves_the_cost_of_a_pass_in_tokens() -> None:
    one = row("r", [a_record("a", dollars=None), a_record("b", dollars=None, right=False)])
    assert (one.dollars, one.cost_of_pass) == (None, 110 / 0.5)


def test_no_records_at_all_are_a_row_of_nothing() -> None:
    one = row("r", [])
    assert (one.n, one.accuracy, one.low, one.high, one.generated) == (0, None, 0.0, 1.0, 0.0)


def test_cost_of_pass_has_the_properties_of_its_paper() -> None:
    assert cost_of_pass(2.0, 0.0) == math.inf
    assert cost_of_pass(4.0, 0.5) == 2 * (cost_of_pass(2.0, 0.5) or 0)
    assert cost_of_pass(2.0, None) is None


def test_a_difference_is_over_the_problems_of_both() -> None:
    left = [a_record(name, right=name != "c", recipe="l", dollars=1.0) for name in "abc"]
    right = [a_record(name, right=name == "b", recipe="b", dollars=4.0) for name in "bcd"]
    one = difference(left, right)
    assert one is not None
    assert (one.recipe, one.n, one.points, one.ratio) == ("l", 2, 0.0, 0.25)
    assert difference(left, [a_record("z")]) is None


def test_samples_of_a_vote_that_stopped_early_count_as_far_as_all_were_drawn() -> None:
    records = [a_record("a", samples=votes("5", "5", "6", "5")), a_record("b", samples=votes("6", "5", "5"))]
    one = sampled("r", records)
    assert one is not None
    assert (one.n, one.of) == (3, "samples")
    assert one.passed == pytest.approx({1: 4 / 6, 2: 1.0, 3: 1.0})
    assert one.voted[3] == 1.0


def test_seeds_serve_as_samples_where_a_recipe_draws_none() -> None:
    records = [a_record("a", seed=seed, right=seed > 0, answer="5" if seed else "6") for seed in range(3)]
    one = sampled("r", records)
    assert one is not None
    assert (one.of, one.passed[1], one.voted[3]) == ("seeds", pytest.approx(2 / 3), 1.0)
    assert sampled("r", records[:1]) is None


def test_the_pareto_front_leaves_out_what_is_dearer_and_no_better() -> None:
    points = {"cheap": (1.0, 0.5), "dear": (3.0, 0.9), "worse": (2.0, 0.4), "equal": (1.0, 0.4), "same": (4.0, 0.9)}
    assert pareto(points) == ["cheap", "dear"]


# -- the frontier ---------------------------------------------------------------------------------------------


def dollars(record: Record) -> float:
    return (record.nanodollars or 0) / 1e9


def test_the_frontier_takes_the_cheapest_recipe_of_each_problem() -> None:
    small = [a_record("a", dollars=1.0), a_record("b", right=False, dollars=1.0), a_record("c", right=False)]
    large = [a_record("a", dollars=5.0), a_record("b", dollars=5.0), a_record("c", right=False)]
    one = frontier({"small": small, "large": large}, dollars)
    assert one is not None
    assert (one.low, one.solved, one.high, one.tries) == (pytest.approx((1 + 5) / 2), pytest.approx(2 / 3), None, 1)
    assert one.chosen == {"small": 1, "large": 1}


def test_another_recipe_never_raises_the_frontier() -> None:
    rng = random.Random(3)
    made = {
        name: [a_record(f"{i}", right=rng.random() < 0.6, dollars=rng.random()) for i in range(50)] for name in "abc"
    }
    solved = [i for i in range(50) if any(made[name][i].correct for name in "ab")]
    two, three = ({name: [made[name][i] for i in solved] for name in names} for names in ("ab", "abc"))
    before, after = frontier(two, dollars), frontier(three, dollars)
    assert before is not None
    assert after is not None
    assert after.low <= before.low


def test_the_least_of_noisy_ratios_is_as_low_as_the_report_says_and_the_crossed_one_is_not() -> None:
    # six equal models, right one time in five at a cost of 1: a pass truly costs 5
    rng = random.Random(1)
    made: dict[str, list[Record]] = {name: [] for name in "abcdef"}
    for name in made:
        for problem in range(300):
            right = binomial(rng, 8, 0.2)
            made[name] += [a_record(f"{problem}", seed=seed, right=seed < right) for seed in rng.sample(range(8), 8)]
    one = frontier(made, dollars)
    assert one is not None
    assert one.low == pytest.approx(2.85, abs=0.15)
    assert one.high is not None
    assert one.high == pytest.approx(5.0, abs=0.5)
