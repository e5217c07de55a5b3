"""A draft writes every step, and a router lets it stand or has the target write it: what several papers share.

They differ in what the router reads: a digit, a likelihood, a reward, an expected advantage.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from ..routers.base import Router
from ..routers.budget_aware import BudgetAwareRouter
from ..verifiers.base import Problem, Step
from .ahead import Ahead
from .base import Run
from .chain import Chain, Pace

Lead = Callable[[Chain], bool]


def first(n: int) -> Lead:
    """The first n steps."""
    return lambda chain: chain.index < n


_NEVER: Final = first(0)


async def speculate(
    problem: Problem,
    run: Run,
    router: Router,
    pace: Pace,
    *,
    lead: Lead = _NEVER,
    overlap: bool = False,
    plenty: float = 0.0,
) -> Chain:
    """A chain that has been thought.

    lead: whether the target writes the next step, undecided. plenty: share of the budget below which the target is
    asked less. Raises: BackendError.
    """
    if plenty:
        router = BudgetAwareRouter(router, run.ledger, run.rng("plenty").getrandbits(63), plenty)

    async def write(chain: Chain) -> Step:
        if lead(chain):
            await ahead.drop()
            return await chain.propose(run.target)
        step = await ahead.take()  # (1) the draft speculates
        ahead.begin(after=step)
        decision = await router(chain.context, step)  # (2) the router decides
        if decision.accept:
            return replace(step, score=decision.score)  # (3) it stands
        chain.reject(step, decision.score)
        await ahead.drop()
        return await chain.propose(run.target)  # (4) or the target writes it, undecided

    chain = Chain.begin(problem, run, pace)
    async with Ahead(chain, run.draft, early=overlap) as ahead:
        return await chain.think(write)
