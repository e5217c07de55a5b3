"""Verifiers of answers by name: what each takes for right, what it needs to know, and what it cannot tell."""

import asyncio

import pytest

from headgate.verifiers import registry
from headgate.verifiers.base import Problem


def judged(answer: str, problem: Problem) -> bool | None:
    return asyncio.run(registry.right(answer, problem))


def test_a_number_is_judged_as_a_number_and_a_text_as_a_text() -> None:
    assert judged("3.0", Problem(text="?", reference="3"))
    assert judged("3.0", Problem(text="?", reference="3", verifier="exact")) is False
    assert judged(" Yes.", Problem(text="?", reference="yes", verifier="exact"))


def test_without_a_reference_nobody_can_tell_unless_the_verifier_needs_none() -> None:
    assert judged("3", Problem(text="?")) is None
    puzzle = {"kind": "jugs", "holds": [5, 3], "has": [0, 0], "goal": 5}
    problem = Problem(text="?", verifier="plan", meta={"puzzle": puzzle})
    assert judged("fill A", problem) is True
    assert judged("fill B", problem) is False


def test_an_unknown_verifier_is_named_with_the_nearest_right_spelling() -> None:
    problem = Problem(text="?", reference="3", verifier="numerik")
    assert registry.lacks(problem).startswith(
        "there is no verifier `numerik`; did you mean `numeric`? there are numeric, "
    )
    assert judged("3", problem) is None


def test_a_problem_that_its_verifier_cannot_judge_says_why() -> None:
    assert "cannot judge this: there is no object `puzzle`" in registry.lacks(Problem(text="?", verifier="plan"))
    assert "there is no `dataset`" in registry.lacks(Problem(text="?", verifier="reasoning_gym"))
    assert judged("x", Problem(text="?", verifier="reasoning_gym")) is None


@pytest.mark.parametrize("name", registry.names())
def test_every_verifier_says_in_a_line_what_is_right(name: str) -> None:
    assert registry.summary(name).endswith(".")
    assert not registry.missing(Problem(text="?", verifier=name))
