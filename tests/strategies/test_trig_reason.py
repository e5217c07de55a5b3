import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from headgate.backends.scripted import Replies, Scripted, Skill, Table
from headgate.strategies.base import Answer, Run
from headgate.strategies.trig_reason import trig_reason
from headgate.verifiers.base import Problem

NewRun = Callable[..., Run]
PROBLEM = Problem(text="Go.")


def says(draft: Sequence[str], target: Sequence[str]) -> dict[str, Any]:
    return {"draft": Scripted(Replies(draft)), "target": Scripted(Replies(target))}


def kept(answer: Answer) -> list[tuple[str, str]]:
    return [(step.author, step.text) for step in answer.steps if step.kept]


async def test_the_target_begins_and_the_draft_goes_on(new_run: NewRun) -> None:
    run = new_run(says(["c\n\n", "d</think>", "\\boxed{1}"], ["a\n\n", "b\n\n"]))
    answer = await run.solve(trig_reason, PROBLEM, "solve", first_n=2, rho=1.0)
    assert kept(answer) == [("target", "a\n\n"), ("target", "b\n\n"), ("draft", "c\n\n"), ("draft", "d")]


@pytest.mark.parametrize(("rho", "author"), [(1.0, "draft"), (0.5, "target")])
async def test_a_step_that_the_draft_is_too_sure_of_is_replaced(new_run: NewRun, rho: float, author: str) -> None:
    run = new_run(says(["a</think>", "\\boxed{1}"], ["b</think>", "\\boxed{2}"]))  # a script is sure of every token
    answer = await run.solve(trig_reason, PROBLEM, "solve", first_n=0, rho=rho)
    assert [who for who, _ in kept(answer)] == [author]
    scored = next(step for step in answer.steps if step.author == "draft")
    assert scored.score is not None and (scored.score.value, scored.score.signal) == (1.0, "over_confidence")


async def test_doubt_is_no_over_confidence(new_run: NewRun) -> None:
    even = Table({"\n": {" a": 0.5, " b": 0.5}, "*": {"</think>": 1 / 1.06, " c": 1 - 1 / 1.06}})
    draft = {"draft": Scripted(even), "target": Scripted(Skill({}))}
    answer = await new_run(draft).solve(trig_reason, PROBLEM, "solve", first_n=0, rho=0.0, answer_by="target")
    assert answer.steps[0].author == "draft" and answer.steps[0].kept
    assert all(log < -math.log(1.05) for log in answer.steps[0].completion.logprobs)


@pytest.mark.parametrize(("hesitant", "target_at"), [(1, [1, 3]), (2, [2]), (3, [])])
async def test_after_so_many_doubts_in_a_row_the_target_writes_one_step(
    new_run: NewRun, hesitant: int, target_at: list[int]
) -> None:
    draft = ["Wait, one.\n\n", "hold ON two\n\n", "await nothing\n\n", "four\n\n", "five\n\n", "</think>", "\\boxed{1}"]
    run = new_run(says(draft, ["so it is\n\n", "and this too\n\n", "no more\n\n"]))
    answer = await run.solve(trig_reason, PROBLEM, "solve", first_n=0, rho=1.0, hesitant=hesitant)
    assert [i for i, (author, _) in enumerate(kept(answer)) if author == "target"] == target_at
