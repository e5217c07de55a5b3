"""Any schedule of calls over any tree of scopes: what must hold at every instant."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.budget.cost import Cost, Limits
from headgate.budget.errors import BudgetExceeded
from headgate.budget.events import Event, Trace
from headgate.budget.ledger import Bound, Hold, Ledger


async def idle() -> None:
    """Let every task that can run do so."""
    for _ in range(40):
        await asyncio.sleep(0)


Ending = Literal["below", "at", "unknown", "release", "cancel"]
UNITS = ("tokens", "output", "nanodollars", "tool_calls", "tool_calls.search")


@dataclass(frozen=True)
class Scope:
    parent: int
    tokens: int | None
    output: int | None
    dollars: int | None
    tools: int | None
    search: int | None
    share: float

    def limits(self) -> Limits:
        by_name = {"search": self.search} if self.search is not None else None
        calls = self.tools if by_name is None else by_name
        dollars = Limits.of({"dollars": f"0.{self.dollars:09d}"}).dollars if self.dollars is not None else None
        return Limits(tokens=self.tokens, output=self.output, tool_calls=calls, dollars=dollars)


@dataclass(frozen=True)
class Call:
    scope: int
    prompt: int
    most: int
    least: int
    price: int
    tool: bool
    final: bool
    ending: Ending
    part: float

    def bound(self) -> Bound:
        if self.tool:
            return Bound.fixed(Cost(tool_calls={"search": 1}, nanodollars=self.price))
        return Bound(cost=self._cost, most=self.most, least=min(self.least, self.most))

    def _cost(self, n: int) -> Cost:
        return Cost(input=self.prompt, output=n, calls=1, nanodollars=self.price * (self.prompt + n))

    def actual(self, hold: Hold) -> Cost | None:
        if self.ending == "unknown":
            return None
        if self.ending == "at" or self.tool:
            return hold.bound
        read, written = int(self.prompt * self.part), int(hold.tokens * self.part)
        return Cost(input=read, output=written, calls=1, nanodollars=self.price * (read + written))


class Books:
    """A sink that keeps which reservations were settled by which event."""

    streaming = False

    def __init__(self) -> None:
        self.reserved: set[int] = set()
        self.settled: list[int | None] = []

    def write(self, event: Event) -> None:
        if event.kind == "reserve":
            self.reserved.add(event.id)
        elif event.kind == "settle":
            self.settled.append(event.parent)

    async def flush(self) -> None: ...


@dataclass
class Play:
    """A tree of scopes, the calls under way in it, and what must hold at every instant."""

    scopes: list[Scope]
    calls: list[Call]
    ledgers: list[Ledger] = field(default_factory=list[Ledger])
    tasks: dict[int, asyncio.Task[None]] = field(default_factory=dict[int, asyncio.Task[None]])
    gates: dict[int, asyncio.Event] = field(default_factory=dict[int, asyncio.Event])
    open: dict[int, Hold] = field(default_factory=dict[int, Hold])
    settled: dict[int, Cost] = field(default_factory=dict[int, Cost])
    books: Books = field(default_factory=Books)

    def __post_init__(self) -> None:
        for index, scope in enumerate(self.scopes):
            if index == 0:
                trace = Trace(self.books)
                self.ledgers.append(Ledger(scope.limits(), answer_reserve=scope.share, trace=trace))
            else:
                above = self.ledgers[scope.parent % index]
                self.ledgers.append(above.scope(str(index), scope.limits(), answer_reserve=scope.share))

    async def work(self, index: int) -> None:
        call = self.calls[index]
        ledger = self.ledgers[call.scope % len(self.ledgers)]
        role = "draft" if index % 2 else "target"
        hold = await ledger.reserve(call.bound(), role=role, purpose=call.ending, final=call.final)
        self.open[index] = hold
        try:
            await self.gates[index].wait()
        except asyncio.CancelledError:
            self.finish(index, hold, None)
            raise
        if call.ending == "release":
            hold.release()
            hold.settle(Cost(output=10**6))
            del self.open[index]
        else:
            self.finish(index, hold, call.actual(hold))

    def finish(self, index: int, hold: Hold, actual: Cost | None) -> None:
        del self.open[index]
        self.settled[index] = hold.settle(actual)
        assert hold.settle(Cost(output=10**6)) == self.settled[index]

    def start(self, index: int) -> None:
        self.gates[index] = asyncio.Event()
        self.tasks[index] = asyncio.create_task(self.work(index))

    def end(self, index: int) -> None:
        if self.calls[index].ending == "cancel":
            self.tasks[index].cancel()
        self.gates[index].set()

    def under(self, index: int, ledger: Ledger) -> bool:
        return ledger in self.ledgers[self.calls[index].scope % len(self.ledgers)].chain()

    def check(self) -> None:
        for scope, ledger in zip(self.scopes, self.ledgers, strict=True):
            spent = sum((c for i, c in self.settled.items() if self.under(i, ledger)), Cost())
            assert ledger.spent.units() == spent.units()
            assert sum(ledger.bill.values(), Cost()).as_dict() == ledger.spent.as_dict()
            held, used = ledger.held, ledger.spent.units()
            calm = Counter[str]()
            for index, cost in [*self.settled.items(), *((i, h.bound) for i, h in self.open.items())]:
                if self.under(index, ledger) and not self.calls[index].final:
                    calm.update(cost.units())
            for unit, cap in scope.limits().caps().items():
                assert held[unit] >= 0
                assert used.get(unit, 0) + held[unit] <= cap
                assert calm[unit] <= cap * (1 - scope.share) + 1e-9

    def check_waiters(self) -> None:
        """Whoever waits could not be granted in full right now."""
        for index, task in self.tasks.items():
            if task.done() or index in self.open:
                continue
            call = self.calls[index]
            bound = call.bound()
            ledger, asked = self.ledgers[call.scope % len(self.ledgers)], bound.cost(bound.most).units()
            assert any(asked.get(unit, 0) > ledger.left(unit, final=call.final) for unit in UNITS)


CAP = st.none() | st.integers(0, 120)
SCOPES = st.lists(
    st.builds(
        Scope,
        parent=st.integers(0, 5),
        tokens=CAP,
        output=CAP,
        dollars=st.none() | st.integers(0, 400),
        tools=st.none() | st.integers(0, 4),
        search=st.none() | st.integers(0, 4),
        share=st.sampled_from([0.0, 0.05, 0.3]),
    ),
    min_size=1,
    max_size=6,
)
CALLS = st.lists(
    st.builds(
        Call,
        scope=st.integers(0, 5),
        prompt=st.integers(0, 20),
        most=st.integers(0, 60),
        least=st.integers(0, 60),
        price=st.integers(0, 4),
        tool=st.booleans(),
        final=st.booleans(),
        ending=st.sampled_from(["below", "at", "unknown", "release", "cancel"]),
        part=st.floats(0, 1),
    ),
    min_size=1,
    max_size=14,
)
MOVES = st.lists(st.tuples(st.integers(0, 13), st.integers(0, 3)), max_size=60)


@settings(max_examples=150)
@given(SCOPES, CALLS, MOVES)
def test_no_schedule_passes_a_cap_leaves_a_hold_or_forgets_a_waiter(
    scopes: list[Scope], calls: list[Call], moves: list[tuple[int, int]]
) -> None:
    async def scenario() -> None:
        play = Play(scopes, calls)
        for which, pauses in moves:
            index = which % len(calls)
            play.end(index) if index in play.tasks else play.start(index)
            for _ in range(pauses):
                await asyncio.sleep(0)
                play.check()
        await idle()
        play.check_waiters()
        for index in list(play.tasks):
            play.end(index)
            play.check()
        await idle()
        assert all(task.done() for task in play.tasks.values())
        ended = await asyncio.gather(*play.tasks.values(), return_exceptions=True)
        assert all(end is None or isinstance(end, BudgetExceeded | asyncio.CancelledError) for end in ended)
        play.check()
        assert not play.open
        assert sorted(parent or 0 for parent in play.books.settled) == sorted(play.books.reserved)
        assert all(amount == 0 for ledger in play.ledgers for amount in ledger.held.values())

    asyncio.run(scenario())
