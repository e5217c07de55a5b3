from dataclasses import replace

from headgate.backends.base import Completion, Context, Piece
from headgate.budget.cost import Cost
from headgate.routers.base import Router
from headgate.routers.oracle import OracleRouter
from headgate.routers.random import RandomRouter
from headgate.verifiers.base import Problem, Step

STEP = Step(completion=Completion(text="a", stop="delimiter", usage=Cost()), author="draft")
PLACES = [Context((Piece(role="user", text="Go."),) * (place + 1)) for place in range(400)]
PROBLEM = Problem(text="Go.")


async def test_an_oracle_keeps_what_is_worth_it_and_tells_the_worth() -> None:
    router = OracleRouter(PROBLEM, lambda problem, context, step: float(len(step.text)), threshold=1.0)
    kept, cut = (
        await router(PLACES[0], STEP),
        await router(PLACES[0], replace(STEP, completion=replace(STEP.completion, text=""))),
    )
    assert (kept.accept, kept.score.value, kept.score.reason) == (True, 1.0, "worth 1, at least 1")
    assert (cut.accept, cut.score.value, cut.score.reason) == (False, 0.0, "worth 0, below 1")


async def test_at_one_share_the_truth_buys_more_than_chance() -> None:
    wrong = {place for place in range(400) if place % 4 == 0}

    def worth(problem: Problem, context: Context, step: Step) -> float:
        return float(len(context.pieces) - 1 not in wrong)

    async def caught(router: Router) -> set[int]:
        return {place for place in range(400) if not (await router(PLACES[place], STEP)).accept}

    assert await caught(OracleRouter(PROBLEM, worth)) == wrong
    blind = await caught(RandomRouter(0.25, seed=1))
    assert len(blind & wrong) < 60 < len(blind)
