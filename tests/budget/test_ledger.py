import asyncio
import pickle

import pytest

from headgate.budget.cost import Cost, Limits
from headgate.budget.errors import BudgetExceeded
from headgate.budget.events import Event, Trace
from headgate.budget.ledger import Bound, Ledger


class Recorder:
    """A sink that remembers; `fail_flush` makes it a disk that is full."""

    streaming = False

    def __init__(self, *, fail_flush: bool = False) -> None:
        self.events: list[Event] = []
        self.fail_flush, self.flushed = fail_flush, 0

    def write(self, event: Event) -> None:
        self.events.append(event)

    async def flush(self) -> None:
        await asyncio.sleep(0)
        self.flushed += 1
        if self.fail_flush:
            raise OSError("disk full")

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def tokens(most: int, least: int | None = None) -> Bound:
    return Bound(cost=lambda n: Cost(output=n, calls=1), most=most, least=most if least is None else least)


async def idle() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


# -- the plain test -------------------------------------------------------------------------------------------


async def test_of_fifty_parallel_calls_of_a_hundred_tokens_under_a_thousand_exactly_ten_leave() -> None:
    ledger, left = Ledger(Limits(tokens=1000)), 0

    async def call() -> None:
        nonlocal left
        hold = await ledger.reserve(tokens(100))
        left += 1
        await asyncio.sleep(0)
        hold.settle(Cost(output=100))

    ended = await asyncio.gather(*(call() for _ in range(50)), return_exceptions=True)
    refused = [error for error in ended if isinstance(error, BudgetExceeded)]
    assert (left, len(refused), ledger.spent.tokens) == (10, 40, 1000)


# -- settling -------------------------------------------------------------------------------------------------


async def test_settling_twice_charges_once() -> None:
    ledger = Ledger(Limits(tokens=100))
    hold = await ledger.reserve(tokens(50))
    assert hold.settle(Cost(output=10)) == Cost(output=10)
    assert hold.settle(Cost(output=40)) == Cost(output=10)
    hold.release()
    assert (ledger.spent.tokens, ledger.held["tokens"], ledger.left("tokens")) == (10, 0, 90)


async def test_an_unknown_outcome_is_charged_in_full_and_says_so() -> None:
    seen = Recorder()
    ledger = Ledger(Limits(tokens=100), trace=Trace(seen))
    hold = await ledger.reserve(tokens(50))
    assert hold.settle(None).output == 50
    assert ledger.spent.tokens == 50
    assert seen.events[-1].payload["unmeasured"] is True


async def test_a_released_hold_costs_nothing() -> None:
    ledger = Ledger(Limits(tokens=100))
    hold = await ledger.reserve(tokens(50))
    hold.release()
    hold.settle(None)
    assert (ledger.spent, ledger.held["tokens"]) == (Cost(), 0)


async def test_a_released_hold_is_settled_at_nothing_in_the_record() -> None:
    seen = Recorder()
    hold = await Ledger(trace=Trace(seen)).reserve(tokens(50), role="draft")
    hold.release()
    reserve, settle = seen.events
    assert (settle.kind, settle.parent, settle.cost, settle.payload["role"]) == (
        "settle",
        reserve.id,
        Cost(),
        "draft",
    )


async def test_a_settle_belongs_to_its_reserve() -> None:
    seen = Recorder()
    ledger = Ledger(trace=Trace(seen)).scope("p1").scope("solve")
    (await ledger.reserve(tokens(5), role="draft", purpose="think")).settle(Cost(output=3), stop="eos")
    reserve, settle = seen.events
    assert (reserve.kind, reserve.path, settle.parent) == ("reserve", "p1/solve", reserve.id)
    assert settle.cost == Cost(output=3)
    assert settle.payload["stop"] == "eos"


async def test_what_was_spent_can_be_rebooked_without_changing_a_total() -> None:
    run = Ledger()
    below = run.scope("p1")
    (await below.reserve(tokens(9), role="draft", purpose="think")).settle(Cost(output=9))
    below.rebook(Cost(output=4), "draft", "think", "wasted")
    for ledger in (run, below):
        assert ledger.bill["draft", "think"].output == 5
        assert ledger.bill["draft", "wasted"].output == 4
        assert ledger.spent_by_role() == {"draft": Cost(output=9)}


async def test_a_provider_that_breaks_its_bound_is_told_on_and_the_next_call_is_refused() -> None:
    seen = Recorder()
    ledger = Ledger(Limits(tokens=100), trace=Trace(seen))
    (await ledger.reserve(tokens(90))).settle(Cost(output=130))
    overrun = next(event for event in seen.events if event.kind == "overrun")
    assert (overrun.payload["unit"], overrun.payload["asked"], overrun.payload["left"]) == (
        "tokens",
        130,
        -30,
    )
    with pytest.raises(BudgetExceeded) as caught:
        await ledger.reserve(tokens(1))
    assert caught.value.left == 0


async def test_a_bound_that_was_broken_is_told_on_even_where_no_cap_is_passed() -> None:
    seen = Recorder()
    ledger = Ledger(Limits(tokens=1000), trace=Trace(seen)).scope("p1")
    (await ledger.reserve(tokens(90))).settle(Cost(output=130))
    told = {event.payload["unit"]: event for event in seen.events if event.kind == "overrun"}
    assert set(told) == {"tokens", "output"}
    assert told["tokens"].path == "p1"
    assert (told["tokens"].payload["asked"], told["tokens"].payload["left"]) == (130, -40)
    assert ledger.left("tokens") == 870


async def test_a_settle_is_told_before_its_room_is_free() -> None:
    class Reader(Recorder):
        def write(self, event: Event) -> None:
            super().write(event)
            left.append(ledger.left("tokens"))

    left: list[float] = []
    ledger = Ledger(Limits(tokens=100), trace=Trace(Reader()))
    (await ledger.reserve(tokens(60))).settle(Cost(output=10))
    assert left == [40, 40]
    assert ledger.left("tokens") == 90


async def test_a_sink_that_fails_leaves_nothing_held() -> None:
    class Broken(Recorder):
        def write(self, event: Event) -> None:
            super().write(event)
            if event.kind == fails:
                raise OSError("disk full")

    fails = "reserve"
    ledger = Ledger(Limits(tokens=100), trace=Trace(Broken()))
    with pytest.raises(OSError, match="disk full"):
        await ledger.reserve(tokens(60))
    assert ledger.held["tokens"] == 0
    fails = "settle"
    hold = await ledger.reserve(tokens(60))
    with pytest.raises(OSError, match="disk full"):
        hold.settle(Cost(output=10))
    assert (ledger.held["tokens"], ledger.spent.tokens) == (0, 10)


# -- shrinking ------------------------------------------------------------------------------------------------


async def test_a_call_that_can_never_fit_in_full_is_bound_to_what_is_left() -> None:
    ledger = Ledger(Limits(tokens=100))
    (await ledger.reserve(tokens(60))).settle(Cost(output=60))
    hold = await ledger.reserve(tokens(500, least=8))
    assert (hold.tokens, hold.shrunk, hold.bound.output) == (40, True, 40)


async def test_a_call_is_shrunk_to_its_least_and_not_below() -> None:
    ledger = Ledger(Limits(tokens=40))
    hold = await ledger.reserve(tokens(500, least=40))
    assert hold.tokens == 40
    hold.release()
    with pytest.raises(BudgetExceeded):
        await ledger.reserve(tokens(500, least=41))


async def test_the_prompt_is_paid_before_the_first_token() -> None:
    ledger = Ledger(Limits(tokens=100))
    bound = Bound(cost=lambda n: Cost(input=95, output=n), most=50, least=1)
    assert (await ledger.reserve(bound)).tokens == 5


async def test_money_shrinks_a_call_too() -> None:
    ledger = Ledger(Limits.of({"dollars": "0.000001"}))
    bound = Bound(cost=lambda n: Cost(output=n, nanodollars=7 * n), most=1000, least=1)
    assert (await ledger.reserve(bound)).tokens == 1000 // 7


async def test_a_call_that_will_fit_in_full_waits_rather_than_shrink() -> None:
    ledger = Ledger(Limits(tokens=100))
    first = await ledger.reserve(tokens(60))
    second = asyncio.create_task(ledger.reserve(tokens(60, least=10)))
    await idle()
    assert not second.done()
    first.settle(Cost(output=20))
    assert (await second).tokens == 60


async def test_a_waiter_whose_full_bound_became_impossible_is_shrunk_when_its_turn_comes() -> None:
    ledger = Ledger(Limits(tokens=100))
    first = await ledger.reserve(tokens(60))
    second = asyncio.create_task(ledger.reserve(tokens(60, least=10)))
    await idle()
    first.settle(Cost(output=55))
    hold = await second
    assert (hold.tokens, hold.shrunk) == (45, True)


async def test_a_waiter_that_can_never_be_served_any_more_fails_at_once() -> None:
    ledger = Ledger(Limits(tokens=100))
    first = await ledger.reserve(tokens(60))
    second = asyncio.create_task(ledger.reserve(tokens(60)))
    await idle()
    first.settle(Cost(output=60))
    with pytest.raises(BudgetExceeded):
        await second


async def test_a_grant_that_is_enough_is_taken_at_once() -> None:
    ledger = Ledger(Limits(tokens=100))
    first = await ledger.reserve(tokens(60))
    bound = Bound(cost=lambda n: Cost(output=n), most=80, least=5, enough=30)
    assert (await ledger.reserve(bound)).tokens == 40
    waiting = asyncio.create_task(ledger.reserve(bound))
    await idle()
    assert not waiting.done()
    first.settle(Cost(output=35))
    await idle()
    assert not waiting.done()  # 25 are free, and 30 may be once the other settles


async def test_what_would_be_enough_but_never_fits_again_is_shrunk() -> None:
    ledger = Ledger(Limits(tokens=100))
    (await ledger.reserve(tokens(80))).settle(None)
    assert (await ledger.reserve(Bound(cost=lambda n: Cost(output=n), most=80, least=5, enough=30))).tokens == 20


# -- waiting --------------------------------------------------------------------------------------------------


async def test_waiters_are_served_first_come_first_served() -> None:
    ledger, served = Ledger(Limits(tokens=1000)), list[int]()

    async def call(index: int) -> None:
        hold = await ledger.reserve(tokens(600))
        served.append(index)
        await asyncio.sleep(0)
        hold.settle(Cost(output=1))

    await asyncio.gather(*(call(index) for index in range(8)))
    assert served == list(range(8))


async def test_a_smaller_call_passes_a_larger_one_that_waits() -> None:
    ledger = Ledger(Limits(tokens=100))
    first = await ledger.reserve(tokens(60))
    large = asyncio.create_task(ledger.reserve(tokens(90)))
    await idle()
    small = await asyncio.wait_for(ledger.reserve(tokens(40)), 1)
    assert not large.done()
    small.release()
    first.release()
    assert (await asyncio.wait_for(large, 1)).tokens == 90


async def test_a_settle_in_one_scope_serves_a_waiter_in_another() -> None:
    run = Ledger(Limits(tokens=100))
    left, right = run.scope("left"), run.scope("right", Limits(tokens=80))
    hold = await left.reserve(tokens(100))
    waiting = asyncio.create_task(right.reserve(tokens(80)))
    await idle()
    hold.settle(Cost(output=20))
    assert (await waiting).tokens == 80
    assert run.held["tokens"] == 80


async def test_a_waiter_that_is_cancelled_leaves_the_queue() -> None:
    ledger = Ledger(Limits(tokens=100))
    first = await ledger.reserve(tokens(100))
    waiting = asyncio.create_task(ledger.reserve(tokens(100)))
    await idle()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    first.release()
    assert ledger.held["tokens"] == 0
    assert (await asyncio.wait_for(ledger.reserve(tokens(100)), 1)).tokens == 100


async def test_a_grant_that_comes_together_with_a_cancellation_is_given_back_to_the_next() -> None:
    ledger = Ledger(Limits(tokens=100))
    first = await ledger.reserve(tokens(100))
    second = asyncio.create_task(ledger.reserve(tokens(100)))
    third = asyncio.create_task(ledger.reserve(tokens(100)))
    await idle()
    first.release()  # grants the second, which has not woken up yet
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert (await asyncio.wait_for(third, 1)).tokens == 100
    assert ledger.held["tokens"] == 100


async def test_a_waiter_below_a_full_scope_does_not_keep_others_waiting() -> None:
    run = Ledger(Limits(tokens=1000))
    full, other = run.scope("full", Limits(tokens=100)), run.scope("other")
    hold = await full.reserve(tokens(100))
    large = await other.reserve(tokens(900))
    blocked, waiting = asyncio.create_task(full.reserve(tokens(100))), asyncio.create_task(other.reserve(tokens(300)))
    await idle()
    large.settle(Cost(output=100))
    assert (await asyncio.wait_for(waiting, 1)).tokens == 300
    assert not blocked.done()
    hold.settle(Cost())
    assert (await asyncio.wait_for(blocked, 1)).tokens == 100


async def test_thousands_of_waiters_are_served_in_order_and_each_when_it_fits() -> None:
    ledger, served = Ledger(Limits(tokens=10**6)), list[int]()

    async def call(index: int) -> None:
        hold = await ledger.reserve(tokens(400_000 if index % 3 else 250_000))
        served.append(index)
        hold.settle(Cost(output=1))

    first = await ledger.reserve(tokens(10**6))
    tasks = [asyncio.create_task(call(index)) for index in range(2000)]
    await idle()
    first.settle(Cost(output=1))
    await asyncio.gather(*tasks)
    assert sorted(served) == list(range(2000))
    for size in (0, 1, 2):
        assert [i for i in served if i % 3 == size] == list(range(size, 2000, 3))


async def test_waiting_and_refusing_are_told() -> None:
    seen = Recorder()
    ledger = Ledger(Limits(tokens=100), trace=Trace(seen))
    first = await ledger.reserve(tokens(100))
    waiting = asyncio.create_task(ledger.reserve(tokens(50)))
    await idle()
    first.settle(None)
    await asyncio.gather(waiting, return_exceptions=True)
    assert seen.kinds() == ["reserve", "wait", "settle", "refuse"]


# -- scopes ---------------------------------------------------------------------------------------------------


async def test_the_tightest_scope_above_refuses_and_is_named() -> None:
    run = Ledger(Limits(tokens=50))
    deep = run.scope("p1", Limits(tokens=500)).scope("solve", Limits(tokens=5000))
    with pytest.raises(BudgetExceeded, match=r"`run` has 50 tokens left, 60 asked; raise `budget\.tokens`") as caught:
        await deep.reserve(tokens(60))
    assert (caught.value.scope, caught.value.unit, caught.value.asked, caught.value.left) == (
        "run",
        "tokens",
        60,
        50,
    )


async def test_a_refusal_in_dollars_is_written_in_dollars() -> None:
    ledger = Ledger(Limits.of({"dollars": "0.25"}))
    with pytest.raises(BudgetExceeded, match=r"has 0\.250000000 dollars left, 0\.300000000 asked; raise `budget\.doll"):
        await ledger.reserve(Bound.fixed(Cost(nanodollars=300_000_000)))


async def test_siblings_share_what_stands_above_them() -> None:
    run = Ledger(Limits(tokens=100))
    left, right = run.scope("left", Limits(tokens=80)), run.scope("right", Limits(tokens=80))
    (await left.reserve(tokens(80))).settle(Cost(output=80))
    assert (left.left("tokens"), right.left("tokens")) == (0, 20)
    with pytest.raises(BudgetExceeded):
        await right.reserve(tokens(30))


async def test_tools_are_capped_by_name() -> None:
    ledger = Ledger(Limits(tool_calls={"search": 1}))
    search, shell = Bound.fixed(Cost(tool_calls={"search": 1})), Bound.fixed(Cost(tool_calls={"shell": 1}))
    (await ledger.reserve(search)).settle(None)
    (await ledger.reserve(shell)).settle(None)
    with pytest.raises(BudgetExceeded, match=r"tool_calls\.search"):
        await ledger.reserve(search)


def test_without_limits_there_is_always_room() -> None:
    ledger = Ledger()
    assert (ledger.left("tokens"), ledger.seconds_left(), ledger.held) == (float("inf"), float("inf"), {})


# -- the answer reserve ---------------------------------------------------------------------------------------


async def test_only_a_final_call_reaches_the_answer_reserve() -> None:
    ledger = Ledger(Limits(tokens=1000), answer_reserve=0.05)
    (await ledger.reserve(tokens(2000, least=1))).settle(None)
    assert ledger.spent.tokens == 950
    with pytest.raises(BudgetExceeded):
        await ledger.reserve(tokens(1))
    assert (await ledger.reserve(tokens(2000, least=1), final=True)).tokens == 50


async def test_the_reserve_of_a_scope_above_binds_too() -> None:
    run = Ledger(Limits(tokens=100), answer_reserve=0.5)
    below = run.scope("p1", Limits(tokens=80))
    assert (below.left("tokens", final=False), below.left("tokens")) == (50, 80)
    with pytest.raises(BudgetExceeded):
        await below.reserve(tokens(60))
    assert (await below.reserve(tokens(60), final=True)).tokens == 60


@pytest.mark.parametrize("share", [-0.1, 1.0, 1.5, float("nan")])
def test_a_reserve_is_a_share(share: float) -> None:
    with pytest.raises(ValueError, match="an answer reserve is a share"):
        Ledger(answer_reserve=share)


# -- the deadline ---------------------------------------------------------------------------------------------


async def test_past_the_deadline_nothing_leaves() -> None:
    clock = Clock()
    ledger = Ledger(Limits(seconds=10), clock=clock)
    (await ledger.reserve(tokens(5))).settle(None)
    clock.now = 10.0
    with pytest.raises(BudgetExceeded, match=r"is past its deadline; raise `budget\.seconds`") as caught:
        await ledger.reserve(tokens(5))
    assert caught.value.unit == "seconds"


def test_a_scope_below_inherits_the_smaller_deadline() -> None:
    clock = Clock()
    run = Ledger(Limits(seconds=10), clock=clock)
    clock.now = 4.0
    assert run.scope("a", Limits(seconds=20)).seconds_left() == 6
    assert run.scope("b", Limits(seconds=2)).seconds_left() == 2
    assert run.scope("c").seconds_left() == 6


async def test_the_last_share_of_the_time_belongs_to_final_calls() -> None:
    clock = Clock()
    ledger = Ledger(Limits(seconds=10), answer_reserve=0.2, clock=clock)
    clock.now = 9.0
    with pytest.raises(BudgetExceeded):
        await ledger.reserve(tokens(5))
    assert (await ledger.reserve(tokens(5), final=True)).tokens == 5


async def test_a_waiter_past_its_deadline_is_refused_when_others_settle() -> None:
    clock = Clock()
    ledger = Ledger(Limits(tokens=100), clock=clock)
    first = await ledger.reserve(tokens(100))
    waiting = asyncio.create_task(ledger.scope("p1", Limits(seconds=50)).reserve(tokens(60)))
    await idle()
    clock.now = 51.0
    first.settle(Cost())
    with pytest.raises(BudgetExceeded, match="deadline"):
        await waiting
    assert ledger.held["tokens"] == 0


async def test_a_waiter_does_not_wait_past_its_deadline() -> None:
    ledger = Ledger(Limits(tokens=100))
    first = await ledger.reserve(tokens(100))
    with pytest.raises(BudgetExceeded, match="deadline"):
        await ledger.scope("p1", Limits(seconds=0.02)).reserve(tokens(60))
    first.release()
    assert ledger.held["tokens"] == 0
    assert (await asyncio.wait_for(ledger.reserve(tokens(100)), 1)).tokens == 100


# -- durable records ------------------------------------------------------------------------------------------


async def test_a_durable_reservation_returns_once_its_record_is_flushed() -> None:
    seen = Recorder()
    ledger = Ledger(trace=Trace(seen))
    await ledger.reserve(tokens(5))
    assert seen.flushed == 0
    await ledger.reserve(tokens(5), durable=True)
    assert seen.flushed == 1


async def test_a_record_that_cannot_be_written_gives_its_hold_back() -> None:
    ledger = Ledger(Limits(tokens=100), trace=Trace(Recorder(fail_flush=True)))
    with pytest.raises(OSError, match="disk full"):
        await ledger.reserve(tokens(60), durable=True)
    assert (ledger.held["tokens"], ledger.spent) == (0, Cost())


async def test_a_cancellation_while_the_record_is_written_gives_the_hold_back() -> None:
    ledger = Ledger(Limits(tokens=100), trace=Trace(Recorder()))
    call = asyncio.create_task(ledger.reserve(tokens(60), durable=True))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert ledger.held["tokens"] == 0


async def test_a_deadline_that_passes_while_the_record_is_written_lets_nothing_leave() -> None:
    clock = Clock()

    class SlowDisk(Recorder):
        async def flush(self) -> None:
            clock.now += 100

    ledger = Ledger(Limits(tokens=100, seconds=60), trace=Trace(SlowDisk(), clock=clock), clock=clock)
    with pytest.raises(BudgetExceeded, match="deadline"):
        await ledger.reserve(tokens(60), durable=True)
    assert ledger.held["tokens"] == 0


def test_a_refusal_keeps_its_figures_in_another_process() -> None:
    error = BudgetExceeded("run/solve", "tokens", 2048, 120)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.scope, again.asked, again.left) == (str(error), "run/solve", 2048, 120)
