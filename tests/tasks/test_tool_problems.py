"""Tool problems: sums out of reach, a budget of calls, and right reasoning that keeps it."""

import re
from itertools import pairwise
from random import Random

import pytest

from headgate.tasks.tool_problems import TASK, ToolProblem, calculated, draw, with_calls
from headgate.tasks.word_problems import digest


def drawn(hard: int, calls: int, seed: int = 1) -> ToolProblem:
    return draw(Random(seed), hard, calls)


@pytest.mark.parametrize("hard", [1, 2, 3, 4])
def test_a_problem_has_as_many_sums_out_of_reach_as_asked(hard: int) -> None:
    for one in TASK.sample(20, difficulty=hard):
        products = [n for n in re.findall(r"has (\d+) times", one.text) if int(n) > 99]
        remainders = [n for n in re.findall(r"groups by (\d+)", one.text) if 10 < int(n) < 100]
        assert len(products) + len(remainders) == hard == one.meta["difficulty"]


def test_the_budget_stands_in_the_question_and_in_the_id() -> None:
    for one in TASK.sample(50):
        calls = one.meta["calls"]
        assert one.text.endswith(f"have?\nTool: calc. budget: {calls} calls left")
        assert one.id == f"tool_problems-v1-{digest(one.text.partition(chr(10))[0]):016x}-{calls}"
    assert {one.meta["calls"] for one in TASK.sample(50)} == {0, 1, 2, 3}


@pytest.mark.parametrize("calls", [0, 1, 2, 3])
@pytest.mark.parametrize("hard", [1, 2, 3, 4])
def test_right_reasoning_calls_as_long_as_the_budget_lasts_and_ends_with_the_answer(hard: int, calls: int) -> None:
    one = drawn(hard, calls)
    turns = one.turns()
    tool = [text for author, text in turns if author == "tool"]
    assert len(tool) == min(hard, calls)
    left = [int(re.fullmatch(r"\d+\nbudget: (\d) calls left\n\n", text)[1]) for text in tool]  # type: ignore[index]
    assert left == list(range(calls - 1, calls - 1 - len(tool), -1))
    assert re.search(rf"{one.lines[-1].subject}{one.answer}\.\n\n$", turns[-1][1])


def test_what_the_tool_says_is_what_was_asked_of_it() -> None:
    for seed in range(20):
        turns = drawn(3, 3, seed).turns()
        for (_, asked), (author, said) in pairwise(turns):
            if author == "tool":
                expression = re.search(r";calc\((.+)\)\n$", asked)
                assert expression
                assert eval(expression[1].replace("mod", "%"), {"__builtins__": {}}) == int(said.split("\n")[0])


def test_another_budget_is_the_same_problem_on_the_same_side() -> None:
    one = drawn(2, 3)
    other = with_calls(one, 0)
    assert (one.text, one.answer, one.split) == (other.text, other.answer, other.split)
    assert one.id.rpartition("-")[0] == other.id.rpartition("-")[0]
    assert one.id != other.id


def test_training_and_held_out_problems_never_meet() -> None:
    rng = Random(5)
    training = {draw(rng, 1, 1, split="training").text for _ in range(200)}
    assert not training & {draw(rng, 1, 1).text for _ in range(200)}
    assert {digest(text) & 1 for text in training} == {0}


def test_a_call_comes_to_what_the_calculator_says() -> None:
    for seed in range(20):
        turns = drawn(3, 3, seed).turns()
        for (_, said), (author, answered) in pairwise(turns):
            if author == "tool":
                assert str(calculated(said)) == answered.splitlines()[0]
            else:
                assert calculated(answered) is None or answered.endswith(")\n")


@pytest.mark.parametrize("text", ["", "calc(3*4)", "calc(3)\n", "calc(3/0)\n", "calc(3 mod 0)\n", "calc(a*b)\n"])
def test_what_is_no_call_or_divides_by_zero_comes_to_nothing(text: str) -> None:
    assert calculated(text) is None
