from collections.abc import Callable
from typing import Any

import pytest

from headgate.backends.dialect import Dialect
from headgate.backends.scripted import END, Scripted, Table
from headgate.budget.cost import Cost
from headgate.strategies.base import Answer, Run
from headgate.strategies.direct import direct
from headgate.strategies.hybrid_routing import hybrid_routing
from headgate.verifiers.base import Problem

NewRun = Callable[..., Run]
PROBLEM = Problem(text="Go.")
ASKED = Dialect(judge_prefill="score:")
ROWS = {
    "\n": {" a": 0.5, " b": 0.5},
    "\n\n": {" a": 0.5, " b": 0.4, "</think>": 0.1},
    " a": {" b": 0.05, "\n\n": 0.95},
    " b": {" a": 0.5, "\n\n": 0.5},
    ":": {"3": 0.5, "9": 0.5},
    "*": {END: 1.0},
}
WILD: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "step_tokens": 6, "think_tokens": 120}
INF = float("inf")


def pair() -> dict[str, Any]:
    return {role: Scripted(Table(ROWS), dialect=ASKED) for role in ("draft", "target")}


def kept(answer: Answer) -> list[tuple[str, tuple[int, ...]]]:
    return [(step.author, step.completion.token_ids) for step in answer.steps if step.kept]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("knobs", "alone"),
    [
        ({"sure": INF, "lost": INF}, "draft"),
        ({"sure": -1.0, "lost": INF, "threshold": 0.0}, "draft"),
        ({"lost": -1.0}, "target"),
        ({"sure": -1.0, "lost": INF, "threshold": 10.0}, "target"),
        ({"first_n": 10**6}, "target"),
    ],
)
async def test_its_extremes_are_each_model_alone_token_for_token(
    new_run: NewRun, seed: int, knobs: dict[str, Any], alone: str
) -> None:
    models = pair()
    run = new_run(models, seed=seed)
    both = await run.solve(hybrid_routing, PROBLEM, "solve", answer_by=alone, **knobs, **WILD)
    named = {alone: models[alone], "model": models[alone]}
    assert kept(both) == kept(await new_run(named, seed=seed).solve(direct, PROBLEM, "solve", **WILD))


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_sure_is_not_judged_what_is_lost_is_not_drafted_and_what_lies_between_is_judged(
    new_run: NewRun, seed: int
) -> None:
    run = new_run(pair(), seed=seed)
    answer = await run.solve(hybrid_routing, PROBLEM, "solve", sure=0.8, lost=0.94, threshold=5.0, **WILD)
    for step in answer.steps:
        if step.score and step.score.signal == "first_entropy":
            nats = step.score.value
            assert step.kept and (nats <= 0.8 if step.author == "draft" else nats > 0.94)
    judged = [step for step in answer.steps if step.score and step.score.signal == "digit_expected"]
    assert answer.bill.get(("target", "judge"), Cost()).calls == len(judged)
    assert sum(answer.bill.values(), Cost()).units() == answer.cost.units() == run.ledger.spent.units()


async def test_a_step_that_the_draft_is_too_sure_of_is_judged_though_it_began_surely(new_run: NewRun) -> None:
    sure = {"draft": Scripted(Table({"\n": {" a": 1.0}, "*": {"</think>": 1.0}})), **pair()}
    sure["draft"] = Scripted(Table({"\n": {" a": 1.0}, "*": {"</think>": 1.0}}))
    for rho, calls in [(1.0, 0), (0.5, 1)]:
        answer = await new_run(sure).solve(hybrid_routing, PROBLEM, "solve", rho=rho, threshold=0.0, answer_by="target")
        assert answer.bill.get(("target", "judge"), Cost()).calls == calls
