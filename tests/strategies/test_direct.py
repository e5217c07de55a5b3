from collections.abc import Callable

import pytest

from headgate.backends.scripted import END, Scripted, Skill, Table
from headgate.budget.cost import Cost
from headgate.strategies.base import Run
from headgate.strategies.direct import direct
from headgate.verifiers.base import Problem

NewRun = Callable[..., Run]
PROBLEM = Problem(text="What is 2 + 2?")
WALK = {
    "\n": {"a": 0.6, "b": 0.4},
    "a": {"b": 0.5, "\n\n": 0.3, "c": 0.2},
    "b": {"c": 0.6, "\n\n": 0.4},
    "c": {"a": 0.45, "b": 0.4, "</think>": 0.15},
    "\n\n": {"b": 0.6, "a": 0.4},
    "*": {END: 1.0},
}
GREEDY = {
    "\n": {"a": 1.0},
    "a": {"\n\n": 1.0},
    "\n\n": {" b": 0.6, "x": 0.4},
    " b": {" c": 1.0},
    " c": {"\n\n\n": 1.0},
    "\n\n\n": {"d": 0.9, "a": 0.1},
    "d": {"</think>": 1.0},
    "*": {END: 1.0},
}


async def test_one_model_thinks_and_answers_alone(new_run: NewRun) -> None:
    run = new_run({"model": Scripted(Skill({PROBLEM.text: (["2 + 2 = 4"], "4")}))})
    answer = await run.solve(direct, PROBLEM, "solve")
    assert (answer.text, answer.status) == ("4", "answered")
    assert [step.text for step in answer.steps] == ["2 + 2 = 4\n\n"]
    assert sum(answer.bill.values(), Cost()) == answer.cost == run.ledger.spent
    assert set(answer.bill) == {("model", "think"), ("model", "answer")}


async def test_greedy_thinking_in_steps_equals_thinking_in_one(new_run: NewRun) -> None:
    texts, calls = list[str](), list[int]()
    for step_tokens in (None, 512, 2, 1):
        run = new_run({"model": Scripted(Table(GREEDY))})
        answer = await direct(PROBLEM, run, temperature=0, step_tokens=step_tokens)
        texts.append("".join(step.text for step in answer.steps))
        calls.append(len(answer.steps))
    assert set(texts) == {"a\n\n b c\n\n\nd"}
    assert calls == [1, 3, 4, 7]


async def test_thinking_and_answer_have_budgets_of_their_own(new_run: NewRun) -> None:
    run = new_run({"model": Scripted(Table({"*": {"a": 1.0}}))})
    answer = await run.solve(direct, PROBLEM, "solve", think_tokens=30, answer_tokens=5)
    assert (answer.bill["model", "think"].output, answer.bill["model", "answer"].output) == (30, 5)
    assert (answer.status, answer.reason) == ("abstained", "it wrote no answer")


@pytest.mark.parametrize("seed", range(5))
async def test_the_seed_decides(new_run: NewRun, seed: int) -> None:
    texts = list[list[str]]()
    for each in (seed, seed, seed + 100):
        run = new_run({"model": Scripted(Table(WALK))}, seed=each)
        answer = await direct(PROBLEM, run, temperature=1.0, step_tokens=9)
        texts.append([step.text for step in answer.steps])
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]
