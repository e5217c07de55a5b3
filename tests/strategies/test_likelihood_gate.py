import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from headgate.backends.base import Context
from headgate.backends.scripted import END, Replies, Scripted, Skill, Table
from headgate.budget.cost import Cost
from headgate.routers.score import ScoreRouter
from headgate.strategies.base import Answer, Run
from headgate.strategies.direct import direct
from headgate.strategies.likelihood_gate import likelihood_gate
from headgate.verifiers.base import Problem
from headgate.verifiers.likelihood import LikelihoodVerifier

NewRun = Callable[..., Run]
PROBLEM = Problem(text="Tom has 17 apples. Mia has 5 more. How many has Mia?")
WILD: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "step_tokens": 6, "think_tokens": 80}
ROWS = {
    "\n": {"a": 0.5, " b": 0.5},
    "a": {" b": 0.7, " c": 0.3},
    " b": {"\n\n": 0.5, " c": 0.5},
    " c": {"\n\n": 0.7, "a": 0.3},
    "\n\n": {"a": 0.45, " b": 0.4, "</think>": 0.15},
    "*": {END: 1.0},
}
SURE = ROWS | {"a": {" b": 0.99, " c": 0.01}, "\n\n": {"a": 0.8, " b": 0.1, "</think>": 0.1}}


def pair() -> dict[str, Any]:
    return {"draft": Scripted(Table(ROWS)), "target": Scripted(Table(SURE))}


def kept(answer: Answer) -> list[tuple[str, tuple[int, ...]]]:
    return [(step.author, step.completion.token_ids) for step in answer.steps if step.kept]


async def test_a_step_with_an_unlikely_token_is_rewritten_and_the_likely_ones_stand(new_run: NewRun) -> None:
    steps = ["Mia has 17 + 5 = 22.", "So it is 22."]
    solved = Skill({PROBLEM.text: (steps, "22")})
    wrong = ["Mia has 17 + 5 = 23.\n\n", "So it is 22.\n\n", "</think>"]
    run = new_run({"draft": Scripted(Replies([*wrong, "\\boxed{22}"])), "target": Scripted(solved)})
    answer = await run.solve(likelihood_gate, PROBLEM, "solve", threshold=math.log(0.5))
    assert [(step.author, step.kept) for step in answer.steps] == [
        ("draft", False),
        ("target", True),
        ("draft", True),
        ("draft", True),
    ]
    assert answer.steps[0].score is not None and answer.steps[0].score.signal == "min_logprob"
    assert (answer.text, answer.bill["target", "score"].output) == ("22", 0)


async def test_a_value_at_the_threshold_accepts(new_run: NewRun) -> None:
    models = {"draft": Scripted(Replies(["a</think>", "\\boxed{1}"])), "target": Scripted(Table({"*": {"a": 1.0}}))}
    models["target"] = Scripted(Table({"\n": {"a": 0.25, "x": 0.75}, "a": {"</think>": 1.0}, "*": {"</think>": 1.0}}))
    for threshold, author in [(math.log(0.25), "draft"), (math.log(0.26), "target")]:
        models["draft"] = Scripted(Replies(["a</think>", "\\boxed{1}"]))
        answer = await likelihood_gate(PROBLEM, new_run(models), threshold=threshold, answer_by="target")
        assert [who for who, _ in kept(answer)] == [author]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("threshold", "alone"), [(-1e9, "draft"), (0.0, "target")])
async def test_its_extremes_are_each_model_alone_token_for_token(
    new_run: NewRun, seed: int, threshold: float, alone: str
) -> None:
    models = pair()
    models["target"] = Scripted(Table({**SURE, "\n\n": {"a": 0.6, " b": 0.3, "</think>": 0.1}}))
    both = await new_run(models, seed=seed).solve(
        likelihood_gate, PROBLEM, "solve", threshold=threshold, answer_by=alone, **WILD
    )
    named = {alone: models[alone], "model": models[alone]}
    one = await new_run(named, seed=seed).solve(direct, PROBLEM, "solve", **WILD)
    assert kept(both) == kept(one)


@pytest.mark.parametrize("reduction", ["min", "mean"])
async def test_on_a_fixed_trace_a_higher_threshold_accepts_no_more(new_run: NewRun, reduction: Any) -> None:
    run = new_run(pair(), seed=1)
    traced = await likelihood_gate(PROBLEM, run, threshold=-1e9, **WILD)
    accepted = list[set[int]]()
    for threshold in (-1e9, -6.0, -3.0, -1.0, -0.5, -0.2, 0.0):
        router = ScoreRouter(LikelihoodVerifier(run.target, reduction), threshold)
        context, those = Context.ask(PROBLEM.text), set[int]()
        for index, step in enumerate(traced.steps):
            if (await router(context, replace(step, score=None))).accept:
                those.add(index)
            context = context.append(step.completion.piece("think", step.author))
        accepted.append(those)
    assert all(higher <= lower for lower, higher in pairwise(accepted))
    assert len(accepted[0]) > len(accepted[-1])


@pytest.mark.parametrize("seed", range(4))
async def test_every_token_is_in_the_books_once(new_run: NewRun, seed: int) -> None:
    run = new_run(pair(), seed=seed)
    answer = await run.solve(likelihood_gate, PROBLEM, "solve", threshold=-2.0, first_n=1, **WILD)
    drafted = [step for step in answer.steps if step.author == "draft"]
    assert answer.bill.get(("target", "score"), Cost()).calls == len(drafted)
    assert kept(answer)[0][0] == "target"
    for role in ("draft", "target"):
        written = sum(step.completion.usage.output for step in answer.steps if step.author == role)
        billed = sum(c.output for (who, what), c in answer.bill.items() if who == role and what in ("think", "wasted"))
        assert written == billed
    assert sum(answer.bill.values(), Cost()).units() == answer.cost.units() == run.ledger.spent.units()
