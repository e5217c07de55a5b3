"""What a text may be held to, and that only backends that can do it are asked for it."""

import re
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as some

from headgate.backends.base import Constraint, Context, EntropyStop, Sampling
from headgate.backends.errors import Refused
from headgate.backends.model import Model
from headgate.backends.scripted import Scripted, Table
from headgate.budget.cost import Cost
from headgate.budget.ledger import Ledger
from headgate.strategies import registry as strategies
from headgate.verifiers.base import Problem

NEEDS: Final = {"model": {"generate", "regex"}}
DIGITS = Constraint(regex="[0-9]+")


async def digits(problem: Problem, run: object) -> None:
    """A strategy that needs what its module says."""


@given(some.lists(some.text(min_size=1, max_size=6), min_size=1, max_size=4), some.text(max_size=6))
def test_a_choice_matches_its_texts_and_nothing_else(texts: list[str], other: str) -> None:
    regex = Constraint.choice(*texts).regex
    assert all(re.fullmatch(regex, text) for text in texts)
    assert (re.fullmatch(regex, other) is not None) == (other in texts)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "one of the two"),
        ({"regex": "a", "json_schema": "{}"}, "one of the two"),
        ({"json_schema": "[1]"}, "a JSON object, not"),
        ({"json_schema": "{1"}, "Expecting property name"),
    ],
)
def test_a_constraint_that_says_nothing_or_too_much_is_an_error(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Constraint(**given)
    with pytest.raises(ValueError, match="one of the two"):
        Constraint.choice()


def test_what_is_asked_for_names_the_operations_that_it_needs() -> None:
    assert Sampling().needs == {"generate"}
    assert Sampling(entropy_stop=EntropyStop(above=1.0), constraint=DIGITS).needs == {
        "generate",
        "entropy_stop",
        "regex",
    }
    assert Sampling(constraint=Constraint(json_schema="{}")).needs == {"generate", "json_schema"}
    assert strategies.needs(digits) == {"model": {"generate", "regex"}}  # type: ignore[arg-type]


async def test_a_model_on_a_backend_that_cannot_is_refused_before_anything_is_spent() -> None:
    backend, ledger = Scripted(Table({"*": {" 4": 1.0}})), Ledger()
    model = Model(name="target", backend=backend, ledger=ledger)
    context = Context.ask("2 + 2?")
    with pytest.raises(Refused, match="`target` has no regex"):
        await model.generate(context, Sampling(max_tokens=3, constraint=DIGITS), at="answer")
    assert ledger.spent == Cost()
