from headgate.backends.base import Completion, Context, Piece
from headgate.budget.cost import Cost
from headgate.orchestrator.intervals import wilson
from headgate.routers.random import RandomRouter
from headgate.verifiers.base import Step

STEP = Step(completion=Completion(text="a", stop="delimiter", usage=Cost()), author="draft")
PLACES = [Context((Piece(role="user", text="Go."),) * (place + 1)) for place in range(400)]


async def test_a_random_router_decides_alike_before_a_draft_and_after() -> None:
    router = RandomRouter(0.4, seed=3)
    before = [(await router(context)).accept for context in PLACES]
    after = [(await router(context, STEP)).accept for context in PLACES]
    assert before == after
    low, high = wilson(before.count(False), len(before))
    assert low <= 0.4 <= high
    assert before != [(await RandomRouter(0.4, seed=4)(context)).accept for context in PLACES]
