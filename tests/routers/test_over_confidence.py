import math
from itertools import pairwise

import pytest

from headgate.backends.base import Completion, Context
from headgate.budget.cost import Cost
from headgate.routers.over_confidence import OverConfidenceRouter
from headgate.verifiers.base import Step


def step(*probabilities: float) -> Step:
    logs = tuple(map(math.log, probabilities))
    return Step(completion=Completion(text="a", stop="delimiter", usage=Cost(), logprobs=logs), author="draft")


@pytest.mark.parametrize(
    ("probabilities", "share", "accept"),
    [
        ((0.99, 0.99, 0.99, 0.5), 0.75, True),
        ((0.99, 0.99, 0.99, 0.99), 1.0, False),
        ((0.99, 0.99, 0.99, 0.99, 0.5), 0.8, False),
        ((0.95, 0.9, 0.5), 0.0, True),
        ((0.953, 0.952), 0.5, True),
        ((), 0.0, True),
    ],
)
async def test_a_step_whose_author_was_sure_of_too_many_tokens_is_rewritten(
    probabilities: tuple[float, ...], share: float, accept: bool
) -> None:
    decision = await OverConfidenceRouter(rho=0.75)(Context.ask("Go."), step(*probabilities))
    assert (decision.accept, decision.score.value) == (accept, share)
    assert ("more than 75%" in decision.score.reason) == (not accept)


async def test_on_a_fixed_trace_a_higher_rho_keeps_no_less() -> None:
    steps = [step(*(0.99 if i < sure else 0.5 for i in range(10))) for sure in range(11)]
    kept = [
        {i for i, s in enumerate(steps) if (await OverConfidenceRouter(rho)(Context.ask("Go."), s)).accept}
        for rho in (-0.1, 0.0, 0.3, 0.75, 0.85, 1.0)
    ]
    assert all(lower <= higher for lower, higher in pairwise(kept))
    assert (len(kept[0]), len(kept[-1])) == (0, 11)
