import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.budget.cost import Cost, Limits
from headgate.budget.errors import BudgetExceeded
from headgate.budget.events import Event, Trace
from headgate.budget.history import History
from headgate.budget.ledger import Bound, Hold, Ledger


class Recorder:
    """A sink that remembers."""

    streaming = False

    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, event: Event) -> None:
        self.events.append(event)

    async def flush(self) -> None: ...


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def tokens(most: int) -> Bound:
    return Bound(cost=lambda n: Cost(output=n, calls=1), most=most, least=most)


LIMITS = Limits.of({"tokens": 3000, "dollars": "0.00001"})
PATHS = ("p1", "p1/solve", "p1/solve/step-0", "p2", "p2/solve")


def tree(trace: Trace | None = None, history: History | None = None) -> dict[str, Ledger]:
    scopes = {"": Ledger(LIMITS, trace=trace, history=history)}
    for path in PATHS:
        above, _, name = path.rpartition("/")
        scopes[path] = scopes[above].scope(name, Limits(tokens=900) if name == "solve" else None)
    return scopes


async def work(scopes: dict[str, Ledger], rng: random.Random, lost: list[Hold]) -> None:
    """Some calls, settled, lost, released or cancelled, and some of them booked anew."""
    scope, role = rng.choice(list(scopes.values())), rng.choice(["draft", "target"])
    most = rng.randint(1, 200)
    bound = Bound(cost=lambda n: Cost(input=5, output=n, calls=1, nanodollars=3 * n), most=most, least=most // 2)
    try:
        hold = await scope.reserve(bound, role=role, purpose="think")
    except BudgetExceeded:
        return
    lost.append(hold)
    for _ in range(rng.randint(0, 3)):
        await asyncio.sleep(0)
    lost.remove(hold)
    if rng.random() < 0.2:
        hold.release()
    used = rng.randint(0, hold.tokens)
    tools = {"search": 1} if rng.random() < 0.2 else {}
    actual = Cost(input=5, output=used, calls=1, nanodollars=3 * used, tool_calls=tools, seconds=used / 64)
    cost = hold.settle(actual if rng.random() < 0.8 else None)
    if rng.random() < 0.3 and cost.calls:
        scope.rebook(cost, role, "think", "wasted")


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_a_tree_that_is_restored_has_spent_and_left_what_the_old_one_had(seed: int) -> None:
    async def scenario() -> None:
        seen, rng, lost = Recorder(), random.Random(seed), list[Hold]()
        before = tree(Trace(seen))
        tasks = [asyncio.create_task(work(before, rng, lost)) for _ in range(40)]
        for task in tasks:
            await asyncio.sleep(0)
            if rng.random() < 0.1:
                task.cancel()
        for _ in range(200):
            await asyncio.sleep(0)
        for task in tasks:  # what waits for a hold that was left open
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        after = tree(history=History.of(list(seen.events)))
        for hold in lost:
            hold.settle(None)
        for path, scope in before.items():
            assert after[path].bill == scope.bill
            assert after[path].spent == scope.spent
            for unit in ("tokens", "nanodollars"):
                assert after[path].left(unit) == scope.left(unit)

    asyncio.run(scenario())


async def test_a_restored_cap_is_what_earlier_processes_left_of_it() -> None:
    spent = Event(id=2, parent=1, path="p1", kind="settle", t=1.0, cost=Cost(output=70), payload={"role": "draft"})
    run = Ledger(Limits(tokens=100), history=History.of([spent]))
    below = run.scope("p1", Limits(tokens=80))
    assert (run.left("tokens"), below.left("tokens"), run.scope("p2").spent) == (30, 10, Cost())
    with pytest.raises(BudgetExceeded):
        await below.reserve(tokens(11))
    (await below.reserve(tokens(10))).settle(None)
    assert (run.spent.tokens, below.spent.tokens) == (80, 80)


async def test_a_call_of_unknown_outcome_counts_in_full() -> None:
    lost = Event(id=1, parent=None, path="p1", kind="reserve", t=1.0, cost=Cost(output=70), payload={"role": "draft"})
    run = Ledger(Limits(tokens=100), history=History.of([lost]))
    assert (run.left("tokens"), run.bill, run.scope("p1").spent.tokens) == (30, {("draft", ""): Cost(output=70)}, 70)


def test_the_time_that_earlier_processes_were_at_work_is_gone() -> None:
    clock = Clock()
    events = [Event(id=i, parent=None, path="p1", kind="note", t=t) for i, t in enumerate((2.0, 5.0), 1)]
    run = Ledger(Limits(seconds=20), clock=clock, history=History.of(events), answer_reserve=0.5)
    assert (run.seconds_left(), run.seconds_left(final=False)) == (17, 7)
    assert run.scope("p1", Limits(seconds=4)).seconds_left() == 1
    assert run.scope("p2", Limits(seconds=4)).seconds_left() == 4


async def test_what_is_booked_anew_is_told() -> None:
    seen = Recorder()
    scope = Ledger(trace=Trace(seen)).scope("p1")
    (await scope.reserve(tokens(9), role="draft", purpose="think")).settle(Cost(output=9))
    scope.rebook(Cost(output=9), "draft", "think", "wasted")
    told = seen.events[-1]
    assert (told.kind, told.path, told.cost) == ("rebook", "p1", Cost(output=9))
    assert told.payload == {"role": "draft", "was": "think", "now": "wasted"}
    assert scope.bill == {("draft", "wasted"): Cost(output=9)}
