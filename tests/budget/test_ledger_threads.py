import asyncio
import random
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor

from headgate.budget.cost import Cost, Limits
from headgate.budget.errors import BudgetExceeded
from headgate.budget.events import Event, Trace
from headgate.budget.ledger import Bound, Hold, Ledger


def tokens(most: int, least: int | None = None) -> Bound:
    return Bound(cost=lambda n: Cost(output=n, calls=1), most=most, least=most if least is None else least)


async def idle() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


class Balance:
    """A sink that keeps what is open and settled, told in any thread, and the most that both ever came to."""

    streaming = False

    def __init__(self) -> None:
        self.open: dict[int, int] = {}
        self.settled = self.most = 0

    def write(self, event: Event) -> None:
        if event.kind == "reserve" and event.cost:
            self.open[event.id] = event.cost.tokens
            self.most = max(self.most, self.settled + sum(self.open.values()))
        elif event.kind == "settle" and event.cost:
            del self.open[event.parent or 0]
            self.settled += event.cost.tokens

    async def flush(self) -> None: ...


def in_threads(count: int, work: Callable[[int], Coroutine[None, None, None]]) -> None:
    """Run a coroutine function once in each of so many threads, with a loop each."""
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda index: asyncio.run(work(index)), range(count)))


def test_calls_from_eight_threads_pass_no_cap_and_leave_nothing() -> None:
    seen = Balance()
    run = Ledger(Limits(tokens=6000), trace=Trace(seen))
    below = [run.scope(str(index), Limits(tokens=1500)) for index in range(4)]

    async def work(index: int) -> None:
        rng = random.Random(index)

        async def call() -> None:
            hold = await rng.choice(below).reserve(tokens(rng.randint(1, 200), least=0))
            await asyncio.sleep(rng.random() / 1000)
            hold.settle(Cost(output=rng.randint(0, hold.tokens)))

        ended = await asyncio.gather(*(call() for _ in range(60)), return_exceptions=True)
        assert all(end is None or isinstance(end, BudgetExceeded) for end in ended)

    in_threads(8, work)
    assert run.spent.tokens == seen.settled <= 6000
    assert seen.most <= 6000
    assert all(scope.spent.tokens <= 1500 for scope in below)
    assert [scope.held["tokens"] for scope in (run, *below)] == [0] * 5
    assert sum(scope.spent.tokens for scope in below) == run.spent.tokens


async def test_a_settle_in_a_thread_wakes_a_waiter_on_another_loop() -> None:
    ledger = Ledger(Limits(tokens=100))
    hold = await ledger.reserve(tokens(100))
    waiting = asyncio.create_task(ledger.reserve(tokens(60)))
    await idle()
    thread = threading.Thread(target=hold.settle, args=(Cost(output=10),))
    thread.start()
    assert (await asyncio.wait_for(waiting, 5)).tokens == 60
    thread.join()


async def test_a_hold_that_is_settled_in_many_threads_at_once_is_charged_once() -> None:
    ledger = Ledger(Limits(tokens=10**6))
    holds = [await ledger.reserve(tokens(10)) for _ in range(200)]

    def settle(hold: Hold) -> Cost:
        return hold.settle(Cost(output=7))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(settle, holds * 8))
    assert (ledger.spent.tokens, ledger.held["tokens"]) == (1400, 0)


async def test_a_grant_for_a_loop_that_is_closed_goes_to_the_next() -> None:
    ledger = Ledger(Limits(tokens=100))
    first = await ledger.reserve(tokens(100))
    gone = asyncio.new_event_loop()
    abandoned = gone.create_task(ledger.reserve(tokens(100)))
    thread = threading.Thread(target=gone.run_until_complete, args=(idle(),))
    thread.start()
    thread.join()
    next_one = asyncio.create_task(ledger.reserve(tokens(100)))
    await idle()
    abandoned._log_destroy_pending = False  # type: ignore[attr-defined]  # it is left behind on purpose
    gone.close()
    first.release()
    assert (await asyncio.wait_for(next_one, 5)).tokens == 100
    assert ledger.held["tokens"] == 100


async def test_a_sink_may_read_the_ledger_while_another_thread_settles() -> None:
    class Reader(Balance):
        ledger: Ledger

        def write(self, event: Event) -> None:
            super().write(event)
            assert self.ledger.left("tokens") >= 0
            assert self.ledger.spent.tokens >= 0

    seen = Reader()
    seen.ledger = Ledger(Limits(tokens=100_000), trace=Trace(seen))

    async def work(index: int) -> None:
        for _ in range(50):
            (await seen.ledger.reserve(Bound.fixed(Cost(output=10)))).settle(Cost(output=5))

    await asyncio.wait_for(asyncio.to_thread(in_threads, 4, work), 20)
    assert seen.ledger.spent.tokens == 4 * 50 * 5
