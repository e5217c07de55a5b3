"""Operators by demonstration: every working is true, one demonstration tells the rule, some rules are never trained."""

import re
from random import Random

import pytest

from headgate.tasks.operators import RULES, SEEN, SYMBOLS, TASK, UNSEEN, UNSEEN_TASK, Application, draw, stream_of

SAFE = {"__builtins__": {}, "max": max, "min": min}


@pytest.mark.parametrize("operator", RULES)
def test_a_working_comes_out_as_it_says_and_the_rule_gives_the_same(operator: str) -> None:
    rng = Random(1)
    for _ in range(50):
        one = draw(rng, operator, 0).asked
        head, working, value = one.step.removesuffix(".").split("=")
        assert head == f"{one.a}{one.symbol}{one.b}"
        assert eval(working, SAFE) == int(value) == one.value >= 0


def test_the_form_is_that_of_the_specification() -> None:
    assert Application(symbol="~", operator="a+b+b", a=20, b=5).step == "20~5=20+5+5=30."
    assert Application(symbol="~", operator="max(a,b)", a=20, b=5).step == "20~5=max(20,5)=20."


def test_one_demonstration_fits_one_operator_only() -> None:
    rng = Random(2)
    for operator in RULES:
        for _ in range(50):
            shown = draw(rng, operator, 1).shown[0]
            told = shown.step.partition("=")[2]
            fits = [
                other
                for other in RULES
                if Application(symbol=shown.symbol, operator=other, a=shown.a, b=shown.b).step.partition("=")[2] == told
            ]
            assert fits == [operator]


@pytest.mark.parametrize(("difficulty", "shown"), [(0, 4), (3, 1), (4, 0)])
def test_the_difficulty_is_how_many_demonstrations_are_left_out(difficulty: int, shown: int) -> None:
    for one in TASK.sample(30, difficulty=difficulty):
        assert len(re.findall(r"^A: ", one.text, re.M)) == shown
        assert one.text.splitlines()[-1].startswith("Q: ")
        assert len(set(re.findall(r"^Q: (.+)$", one.text, re.M))) == shown + 1  # never the one that is asked


def test_operators_of_the_unseen_task_are_in_no_training_problem() -> None:
    assert not SEEN.keys() & UNSEEN.keys()
    assert len(SEEN) >= 13
    assert len(SYMBOLS) == 8
    stream = stream_of(Random(3), split="training", operators=tuple(RULES))
    assert {next(stream).asked.operator for _ in range(400)} == set(SEEN)
    assert {one.meta["operator"] for one in UNSEEN_TASK.sample(200)} == set(UNSEEN)


def test_training_and_held_out_problems_never_meet() -> None:
    training, held_out = (
        {next(stream).question for _ in range(500)}
        for stream in (stream_of(Random(4), split="training"), stream_of(Random(4)))
    )
    assert not training & held_out


def test_the_same_question_under_two_operators_is_two_problems() -> None:
    ids = {draw(Random(1), operator, 0).id for operator in ("a+b", "a+b+b")}
    assert len(ids) == 2
