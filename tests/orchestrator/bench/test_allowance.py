"""What a bench's budget leaves to a run, and which answers it cut short."""

from decimal import Decimal

import pytest

from headgate.budget.cost import Cost, Limits
from headgate.budget.errors import BudgetExceeded
from headgate.orchestrator.bench.allowance import allowance, refused
from headgate.orchestrator.errors import RecipeError
from headgate.strategies.base import Answer

SPENT = Cost(input=300, output=200, nanodollars=250_000_000, tool_calls={"calc": 3})


def test_a_run_may_spend_what_the_others_left() -> None:
    total = Limits(tokens=2000, output=150, dollars=Decimal("1.5"), seconds=60.0, tool_calls={"calc": 5})
    left = allowance(Limits(), total, SPENT, 45.0)
    assert (left.tokens, left.output, left.dollars, left.seconds) == (1500, 0, Decimal("1.25"), 15.0)
    assert left.tool_calls == {"calc": 2}


def test_its_own_limits_stand_where_they_are_smaller() -> None:
    own = Limits(tokens=1000, tool_calls={"calc": 9, "search": 1})
    left = allowance(own, Limits(tokens=2000, tool_calls={"calc": 5}), SPENT, 0.0)
    assert (left.tokens, left.tool_calls, left.dollars) == (1000, {"calc": 2, "search": 1}, None)
    assert allowance(own, Limits(), SPENT, 9.0) == own


def test_tools_limited_in_two_ways_are_refused() -> None:
    with pytest.raises(RecipeError, match="by name in one place"):
        allowance(Limits(tool_calls=3), Limits(tool_calls={"calc": 1}), Cost(), 0.0)


def exhausted(scope: str, unit: str) -> Answer:
    return Answer(text="", status="exhausted", reason=str(BudgetExceeded(scope, unit, 9, 1)))


def test_only_the_benchs_own_limit_makes_an_answer_refused() -> None:
    own, allowed = Limits(dollars=Decimal(1)), Limits(tokens=500, dollars=Decimal(1))
    assert refused(exhausted("run", "tokens"), own, allowed, late=False)
    assert not refused(exhausted("p1", "tokens"), own, allowed, late=False)
    assert not refused(exhausted("run", "nanodollars"), own, allowed, late=False)
    assert not refused(Answer(text="5"), own, allowed, late=True)


def test_time_counts_as_the_benchs_once_it_is_over() -> None:
    late = exhausted("p1/solve", "seconds")
    assert refused(late, Limits(), Limits(seconds=5.0), late=True)
    assert not refused(late, Limits(), Limits(seconds=5.0), late=False)
    assert not refused(late, Limits(seconds=5.0), Limits(seconds=5.0), late=True)


def test_a_vote_whose_samples_were_refused_is_refused() -> None:
    vote = Answer(text="", status="exhausted", reason="no sample answered", candidates=(exhausted("run", "output"),))
    assert refused(vote, Limits(), Limits(output=10), late=False)
