from collections.abc import Callable
from typing import Any

import pytest

from headgate.backends.scripted import END, Scripted, Table
from headgate.budget.cost import Cost
from headgate.orchestrator.intervals import wilson
from headgate.strategies.base import Answer, Run
from headgate.strategies.direct import direct
from headgate.strategies.random_routing import random_routing
from headgate.verifiers.base import Problem

NewRun = Callable[..., Run]
PROBLEM = Problem(text="Go.")
ROWS = {
    "\n\n": {" a": 0.5, " b": 0.45, "</think>": 0.05},
    " a": {" b": 0.5, "\n\n": 0.5},
    " b": {" a": 0.5, "\n\n": 0.5},
    "\n": {" a": 0.5, " b": 0.5},
    "*": {END: 1.0},
}
WILD: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "step_tokens": 6, "think_tokens": 200}


def pair() -> dict[str, Any]:
    return {"draft": Scripted(Table(ROWS)), "target": Scripted(Table(ROWS))}


def kept(answer: Answer) -> list[tuple[str, tuple[int, ...]]]:
    return [(step.author, step.completion.token_ids) for step in answer.steps if step.kept]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("share", "alone"), [(0.0, "draft"), (1.0, "target")])
async def test_its_extremes_are_each_model_alone_token_for_token(
    new_run: NewRun, when: Any, share: float, alone: str
) -> None:
    models = pair()
    both = await new_run(models, seed=3).solve(random_routing, PROBLEM, "solve", share=share, when=when, **WILD)
    named = {alone: models[alone], "model": models[alone]}
    assert kept(both) == kept(await new_run(named, seed=3).solve(direct, PROBLEM, "solve", **WILD))
    assert any(purpose == "wasted" for _, purpose in both.bill) == (when == "after" and share == 1)


async def test_the_share_is_what_was_asked_and_the_same_before_and_after(new_run: NewRun) -> None:
    authors: dict[str, list[str]] = {"before": [], "after": []}
    for seed in range(40):
        for when, seen in authors.items():
            answer = await new_run(pair(), seed=seed).solve(
                random_routing, PROBLEM, "solve", share=0.3, when=when, **WILD
            )
            seen += [step.author for step in answer.steps if step.kept]
            assert sum(answer.bill.values(), Cost()).units() == answer.cost.units()
    for seen in authors.values():
        low, high = wilson(seen.count("target"), len(seen), z=3.3)
        assert low < 0.3 < high
