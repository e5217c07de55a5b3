"""Leases: workers with trees of their own, which spend what they lease from one owner's ledger."""

import asyncio
import pickle
import random
from collections.abc import Mapping

import pytest

from headgate.budget.cost import Cost, Limits
from headgate.budget.errors import BudgetExceeded
from headgate.budget.events import Event, Trace
from headgate.budget.ledger import Bound, Ledger
from headgate.budget.lender import Lender
from headgate.budget.supply import Ask, Grant


class Near:
    """A worker in the same loop: the way upstream, and the sink that forwards what it tells."""

    streaming = False

    def __init__(self, lender: Lender, name: str, limits: Limits | None = None) -> None:
        self.lender, self.name, self.units = lender, name, lender.units
        self.asks: list[Ask] = []
        self.ledger = Ledger(limits, upstream=self, trace=Trace(self))

    async def lease(self, ask: Ask) -> Grant:
        self.asks.append(pickle.loads(pickle.dumps(ask)))
        return pickle.loads(pickle.dumps(await self.lender.lease(self.name, ask)))

    def give_back(self, units: Mapping[str, int]) -> None:
        self.lender.give_back(self.name, units)

    def write(self, event: Event) -> None:
        self.lender.take(self.name, pickle.loads(pickle.dumps(event)))

    async def flush(self) -> None: ...


def owner(cap: int, workers: int, **more: Limits) -> tuple[Ledger, Lender, list[Near]]:
    ledger = Ledger(Limits(tokens=cap))
    lender = Lender(ledger)
    return ledger, lender, [Near(lender, str(index), **more) for index in range(workers)]


def tokens(most: int, least: int | None = None) -> Bound:
    return Bound(cost=lambda n: Cost(output=n, calls=1), most=most, least=most if least is None else least)


async def idle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def settled(ledger: Ledger) -> None:
    """Wait until no lease is left."""
    async with asyncio.timeout(10):
        while ledger.held["tokens"]:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("workers", [1, 2, 5])
async def test_fifty_calls_of_a_hundred_over_workers_under_a_thousand_dispatch_exactly_ten(workers: int) -> None:
    ledger, _, near = owner(1000, workers)
    left = 0

    async def call(index: int) -> None:
        nonlocal left
        hold = await near[index % workers].ledger.reserve(tokens(100))
        left += 1
        await asyncio.sleep(0)
        hold.settle(Cost(output=100))

    ended = await asyncio.gather(*(call(index) for index in range(50)), return_exceptions=True)
    assert (left, sum(isinstance(end, BudgetExceeded) for end in ended)) == (10, 40)
    await settled(ledger)
    assert ledger.spent.tokens == 1000


async def test_one_lease_serves_many_calls_and_goes_back_when_idle() -> None:
    ledger, lender, (worker,) = owner(10_000, 1)
    for _ in range(20):
        (await worker.ledger.reserve(tokens(100), role="draft", purpose="think")).settle(Cost(output=60))
    assert len(worker.asks) == 1
    assert worker.asks[0].want == {"tokens": 3200}
    assert lender.leased("0") == {"tokens": 3200 - 1200}
    await settled(ledger)
    assert (lender.leased("0"), worker.ledger.held) == ({"tokens": 0}, {"tokens": 0})
    assert ledger.bill == worker.ledger.bill == {("draft", "think"): Cost(output=1200)}


async def test_two_workers_with_half_a_call_each_do_not_wait_for_each_other() -> None:
    ledger, lender, (left, right) = owner(100, 2)
    holds = [await near.ledger.reserve(tokens(50)) for near in (left, right)]
    assert (lender.leased("0"), lender.leased("1")) == ({"tokens": 50}, {"tokens": 50})
    waiting = [asyncio.create_task(near.ledger.reserve(tokens(90))) for near in (left, right)]
    await idle()
    for hold in holds:
        hold.settle(Cost(output=1))
    for task in asyncio.as_completed(waiting, timeout=5):
        (await task).settle(Cost(output=2))
    await settled(ledger)
    assert ledger.spent.tokens == 6


async def test_a_worker_that_waits_keeps_only_what_its_running_calls_hold() -> None:
    _, lender, (left, right) = owner(1000, 2)
    running = await left.ledger.reserve(tokens(100))
    other = await right.ledger.reserve(tokens(300))
    waiting = asyncio.create_task(left.ledger.reserve(tokens(700)))
    await idle()
    assert lender.leased("0") == {"tokens": 100}
    running.settle(Cost(output=10))
    await idle()
    assert lender.leased("0") == {"tokens": 0}
    other.release()
    right.ledger.return_idle()
    assert (await asyncio.wait_for(waiting, 5)).tokens == 700


async def test_a_call_waits_rather_than_shrink_while_others_may_return_enough() -> None:
    _, _, (left, right) = owner(100, 2)
    first = await left.ledger.reserve(tokens(60))
    second = asyncio.create_task(right.ledger.reserve(tokens(80, least=10)))
    await idle()
    assert not second.done()
    first.settle(Cost(output=5))
    assert (await asyncio.wait_for(second, 5)).tokens == 80


async def test_a_call_is_shrunk_to_what_is_left_of_all_once_it_can_never_fit() -> None:
    ledger, _, (left, right) = owner(100, 2)
    (await left.ledger.reserve(tokens(60))).settle(None)
    hold = await asyncio.wait_for(right.ledger.reserve(tokens(500, least=8)), 5)
    assert (hold.tokens, hold.shrunk) == (40, True)
    hold.settle(None)
    with pytest.raises(BudgetExceeded, match="`run` has 0 tokens left, 8 asked"):
        await right.ledger.reserve(tokens(500, least=8))
    await settled(ledger)


async def test_a_wanted_lease_leaves_half_of_what_is_free_to_others() -> None:
    _, lender, (left, right) = owner(1000, 2)
    await left.ledger.reserve(tokens(100))
    assert lender.leased("0") == {"tokens": 500}
    await right.ledger.reserve(tokens(100))
    assert lender.leased("1") == {"tokens": 250}


async def test_a_lost_worker_pays_for_what_was_out_and_gives_the_rest_back() -> None:
    ledger, lender, (left, right) = owner(1000, 2)
    (await left.ledger.reserve(tokens(100), role="draft")).settle(Cost(output=30))
    await left.ledger.reserve(tokens(100), role="draft", purpose="think")
    lender.lost("0")
    assert (ledger.spent.tokens, ledger.held["tokens"], lender.leased("0")) == (130, 0, {"tokens": 0})
    assert ledger.bill["draft", "think"] == Cost(output=100, calls=1)
    assert (await right.ledger.reserve(tokens(870))).tokens == 870


async def test_a_worker_that_was_given_up_is_not_charged_twice() -> None:
    ledger, lender, (worker,) = owner(1000, 1)
    hold = await worker.ledger.reserve(tokens(100))
    lender.lost("0")
    hold.settle(Cost(output=50))
    worker.ledger.return_idle()
    assert (ledger.spent.tokens, ledger.held["tokens"], ledger.left("tokens")) == (100, 0, 900)


async def test_what_a_provider_took_beyond_its_bound_comes_off_what_the_owner_has_left() -> None:
    ledger, lender, (worker, _) = owner(1000, 2)
    (await worker.ledger.reserve(tokens(400))).settle(Cost(output=450))
    worker.ledger.return_idle()
    assert (ledger.spent.tokens, ledger.left("tokens"), lender.leased("0")) == (450, 550, {"tokens": 0})
    assert (await worker.ledger.reserve(tokens(600, least=1))).tokens == 550


async def test_what_a_worker_books_anew_is_booked_anew_by_the_owner() -> None:
    ledger, _, (worker,) = owner(1000, 1)
    (await worker.ledger.reserve(tokens(9), role="draft", purpose="think")).settle(Cost(output=9))
    worker.ledger.rebook(Cost(output=4), "draft", "think", "wasted")
    assert ledger.bill == worker.ledger.bill


async def test_a_workers_own_scopes_bind_beside_its_lease() -> None:
    _, _, (worker,) = owner(1000, 1)
    below = worker.ledger.scope("p1", Limits(tokens=50), answer_reserve=0.2)
    hold = await below.reserve(tokens(200, least=1))
    assert hold.tokens == 40
    hold.settle(None)
    with pytest.raises(BudgetExceeded, match="`p1` has 0 tokens left"):
        await below.reserve(tokens(11))


async def test_a_lease_that_cannot_be_asked_for_fails_the_call_with_the_reason() -> None:
    class Broken(Near):
        async def lease(self, ask: Ask) -> Grant:
            raise ConnectionError("the pipe is closed")

    worker = Broken(Lender(Ledger(Limits(tokens=100))), "0")
    with pytest.raises(ConnectionError, match="the pipe is closed"):
        await worker.ledger.reserve(tokens(10))


async def test_whoever_waits_lets_the_owner_ask_for_idle_leases() -> None:
    ledger = Ledger(Limits(tokens=1000))
    near: list[Near] = []
    lender = Lender(ledger, recall=lambda: [worker.ledger.return_idle() for worker in near])
    near += [Near(lender, "0"), Near(lender, "1")]
    await near[0].ledger.reserve(tokens(100))
    assert lender.leased("0") == {"tokens": 500}
    assert (await asyncio.wait_for(near[1].ledger.reserve(tokens(900)), 0.04)).tokens == 900


@pytest.mark.parametrize("seed", range(30))
async def test_no_schedule_over_workers_passes_a_cap_or_leaves_a_lease(seed: int) -> None:
    rng = random.Random(seed)
    ledger, lender, near = owner(rng.randint(200, 5000), 3)

    async def call(worker: Near) -> None:
        hold = await worker.ledger.reserve(tokens(most := rng.randint(1, 300), rng.randint(0, most)))
        try:
            await asyncio.sleep(rng.choice([0, 0, 0.001]))
        finally:
            hold.settle(Cost(output=rng.randint(0, hold.tokens)) if rng.random() < 0.8 else None)

    tasks = [asyncio.create_task(call(rng.choice(near))) for _ in range(60)]
    for task in tasks:
        if rng.random() < 0.15:
            await asyncio.sleep(0)
            task.cancel()
    _, stuck = await asyncio.wait(tasks, timeout=20)
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert not stuck
    assert all(end is None or isinstance(end, BudgetExceeded | asyncio.CancelledError) for end in ended)
    await settled(ledger)
    assert ledger.left("tokens") >= 0
    assert ledger.spent.tokens == sum(worker.ledger.spent.tokens for worker in near)
    assert all(lender.leased(str(index)) == {"tokens": 0} for index in range(3))
