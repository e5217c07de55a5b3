import pytest

from headgate.backends.base import Completion, Context, Piece
from headgate.backends.model import Model
from headgate.backends.scripted import Scripted, Table
from headgate.budget.cost import Cost, Limits
from headgate.budget.ledger import Ledger
from headgate.orchestrator.intervals import wilson
from headgate.routers.base import Decision
from headgate.routers.budget_aware import BudgetAwareRouter, share_left
from headgate.verifiers.base import Score, Step

STEP = Step(completion=Completion(text="a", stop="delimiter", usage=Cost()), author="draft")
PLACES = [Context((Piece(role="user", text="Go."),) * (place + 1)) for place in range(1000)]


class Strict:
    """Sends every step to the target."""

    async def __call__(self, context: Context, step: Step) -> Decision:
        return Decision(accept=False, score=Score(value=1.0, signal="strict", reason="never good enough"))


class Mild:
    async def __call__(self, context: Context, step: Step) -> Decision:
        return Decision(accept=True, score=Score(value=9.0, signal="mild"))


async def spent(ledger: Ledger, tokens: int) -> Ledger:
    """The scope after so many tokens."""
    model = Model(name="draft", backend=Scripted(Table({"*": {"a": 1.0}})), ledger=ledger)
    context = Context.ask("Go.")
    while ledger.spent.tokens < tokens:
        await model.peek(context)
    return ledger


async def sent(router: BudgetAwareRouter) -> int:
    return sum([not (await router(context, STEP)).accept for context in PLACES])


async def test_what_is_left_is_the_share_of_the_tightest_cap() -> None:
    assert share_left(Ledger()) == 1.0
    assert share_left(Ledger(Limits(tokens=100))) == 1.0
    assert share_left(Ledger(Limits(tokens=0))) == 0.0
    outer = Ledger(Limits(output=8))
    inner = await spent(outer.scope("solve", Limits(tokens=1000)), 20)
    used = outer.spent
    assert share_left(inner) == min(1 - used.output / 8, 1 - used.tokens / 1000)


async def test_with_plenty_left_the_inner_router_decides_alone() -> None:
    scope = await spent(Ledger(Limits(tokens=100)), 30)
    router = BudgetAwareRouter(Strict(), scope, seed=1, plenty=share_left(scope))
    assert await sent(router) == len(PLACES)
    assert (await router(PLACES[0], STEP)).score.reason == "never good enough"


@pytest.mark.parametrize("tokens", [60, 80])
async def test_as_the_budget_runs_low_the_target_is_asked_in_proportion_to_what_is_left(tokens: int) -> None:
    scope = await spent(Ledger(Limits(tokens=100)), tokens)
    low, high = wilson(await sent(BudgetAwareRouter(Strict(), scope, seed=1)), len(PLACES))
    assert low <= share_left(scope) / 0.5 <= high


async def test_with_nothing_left_the_target_is_not_asked_and_the_trace_says_why() -> None:
    router = BudgetAwareRouter(Strict(), Ledger(Limits(tokens=0)), seed=1)
    assert await sent(router) == 0
    decision = await router(PLACES[0], STEP)
    assert (decision.score.value, decision.score.signal) == (1.0, "strict")
    assert decision.score.reason == "never good enough, but only 0% of the budget is left"


async def test_what_the_inner_router_keeps_stays_kept() -> None:
    assert await sent(BudgetAwareRouter(Mild(), Ledger(Limits(tokens=0)), seed=1)) == 0
