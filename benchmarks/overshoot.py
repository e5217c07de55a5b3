"""Whether a budget that is spent by many calls at once is ever passed, and how much of it is used.

python -m headgate.benchmarks.overshoot [--seeds 10000] [--waiters 10000]

A limit that is checked before a call and counted after it is passed as soon as calls overlap. Here every call reserves
its dearest outcome, is bound to what it was granted, and settles what it used. The rows say what came of that.
"""

import argparse
import asyncio
import importlib.util
import math
import random
import threading
import time
from dataclasses import dataclass, field
from importlib.metadata import version

from ..budget.cost import Cost, Limits
from ..budget.errors import BudgetExceeded
from ..budget.events import Event, Trace
from ..budget.ledger import Bound, Ledger
from .peers import fifty_in_pydantic_ai
from .processes import Count, fifty, in_all, over_processes
from .results import record

# -- the plain test: fifty calls of a hundred tokens under a thousand -------------------------------------------


def in_one_loop() -> tuple[Count, Ledger]:
    ledger = Ledger(Limits(tokens=1000))
    return asyncio.run(fifty(ledger, 50)), ledger


def in_threads(threads: int = 8) -> tuple[Count, Ledger]:
    """The same calls from threads with event loops of their own."""
    ledger, counts = Ledger(Limits(tokens=1000)), list[Count]()

    def run(calls: int) -> None:
        counts.append(asyncio.run(fifty(ledger, calls)))

    shares = [50 // threads + (index < 50 % threads) for index in range(threads)]
    started = [threading.Thread(target=run, args=(share,)) for share in shares]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return in_all(counts), ledger


# -- any schedule over any tree of scopes -----------------------------------------------------------------------


@dataclass(slots=True)
class Tally:
    """What went wrong over many seeds, and over how many calls."""

    overshoot: int = 0
    leaked: int = 0
    stuck: int = 0
    calls: int = 0
    shrunk: int = 0


@dataclass(slots=True)
class Play:
    """Random scopes, and random calls in them: some wait, shrink, try again, are cancelled, or are never settled."""

    rng: random.Random
    tally: Tally
    scopes: list[Ledger] = field(default_factory=list[Ledger])
    limits: list[Limits] = field(default_factory=list[Limits])

    def __post_init__(self) -> None:
        for index in range(8):
            share = self.rng.choice([0.0, 0.0, 0.1])
            self.limits.append(self._limits(index))
            if index == 0:
                self.scopes.append(Ledger(self.limits[0], answer_reserve=share))
            else:
                above = self.rng.choice(self.scopes)
                self.scopes.append(above.scope(str(index), self.limits[index], answer_reserve=share))

    def _limits(self, index: int) -> Limits:
        cap = self.rng.randint(50, 3000) if index else self.rng.randint(300, 4000)
        dollars = f"0.{self.rng.randint(50, 20000):09d}" if self.rng.random() < 0.3 else None
        output = cap if self.rng.random() < 0.3 else None
        return Limits.of({"tokens": cap, "output": output, "dollars": dollars}) if cap < 2500 else Limits(output=output)

    async def run(self, calls: int) -> None:
        tasks = [asyncio.create_task(self._call()) for _ in range(calls)]
        for task in tasks:
            if self.rng.random() < 0.15:
                await asyncio.sleep(0)
                task.cancel()
        _, pending = await asyncio.wait(tasks, timeout=10)
        self.tally.stuck += len(pending)
        self.tally.calls += calls
        for scope, limits in zip(self.scopes, self.limits, strict=True):
            used = scope.spent.units()
            self.tally.overshoot += any(used[unit] > cap for unit, cap in limits.caps().items())
            self.tally.leaked += any(scope.held.values())

    async def _call(self) -> None:
        rng, most, price, prompt = self.rng, self.rng.randint(1, 200), self.rng.randint(0, 9), self.rng.randint(0, 20)
        scope, least, final = rng.choice(self.scopes), rng.randint(0, most), rng.random() < 0.1

        def cost(n: int) -> Cost:
            return Cost(input=prompt, output=n, calls=1, nanodollars=price * (prompt + n))

        for _ in range(rng.randint(1, 3)):
            try:
                hold = await scope.reserve(Bound(cost=cost, most=most, least=least), final=final)
            except BudgetExceeded:
                return
            self.tally.shrunk += hold.shrunk
            try:
                for _ in range(rng.randint(0, 6)):
                    await asyncio.sleep(0)
            except asyncio.CancelledError:
                hold.settle(cost(rng.randint(0, hold.tokens)) if rng.random() < 0.5 else None)
                raise
            if rng.random() < 0.1:
                hold.release()
            hold.settle(cost(rng.randint(0, hold.tokens)) if rng.random() < 0.9 else None)


async def fuzz(seeds: range, calls: int = 30) -> Tally:
    tally = Tally()
    for seed in seeds:
        await Play(random.Random(seed), tally).run(calls)
    return tally


# -- how much of a budget is used -------------------------------------------------------------------------------


async def utilisation(budget: int = 200_000, at_once: int = 50, seed: int = 0) -> tuple[float, float]:
    """Which share of the tokens is used, and of the calls cut short, where bounds are fifty times what calls use."""
    rng, ledger, slots = random.Random(seed), Ledger(Limits(tokens=budget)), asyncio.Semaphore(at_once)
    needs = [round(10 ** rng.uniform(1, 2)) for _ in range(budget // 20)]
    typical, served, cut = sum(needs) // len(needs), 0, 0

    async def call(need: int) -> None:
        nonlocal served, cut
        async with slots:
            try:
                hold = await ledger.reserve(_bound(most=50 * need, least=typical))
            except BudgetExceeded:
                return
            await asyncio.sleep(0)
            served, cut = served + 1, cut + (need > hold.tokens)
            hold.settle(Cost(output=min(need, hold.tokens)))

    await asyncio.gather(*map(call, needs))
    return ledger.spent.tokens / budget, cut / served


def _bound(most: int, least: int) -> Bound:
    return Bound(cost=lambda n: Cost(output=n), most=most, least=min(most, least))


# -- a backend that lies ----------------------------------------------------------------------------------------


class Kinds:
    """A sink that remembers what kinds of events there were."""

    streaming = False

    def __init__(self) -> None:
        self.seen: list[str] = []

    def write(self, event: Event) -> None:
        self.seen.append(event.kind)

    async def flush(self) -> None:
        return


async def lie() -> tuple[int, int, bool]:
    """A call of bound 900 under 1000 uses 1300: overshoot, `overrun` events, and whether the next call is refused."""
    seen = Kinds()
    ledger = Ledger(Limits(tokens=1000), trace=Trace(seen))
    (await ledger.reserve(_bound(900, 900))).settle(Cost(output=1300))
    try:
        await ledger.reserve(_bound(1, 1))
    except BudgetExceeded:
        return ledger.spent.tokens - 1000, seen.seen.count("overrun"), True
    return ledger.spent.tokens - 1000, seen.seen.count("overrun"), False


# -- what it costs ----------------------------------------------------------------------------------------------


async def microseconds(blocks: int = 60, each: int = 100) -> dict[str, float]:
    """Best of many short blocks: a bare await; reserve and settle through four scopes with four caps; a scope."""
    limits = Limits.of({"tokens": 10**12, "output": 10**12, "tool_calls": 10**9, "dollars": 10**5})
    scope = Ledger(limits).scope("p1", limits).scope("solve", limits).scope("step", limits)
    bound, actual = Bound.fixed(Cost(input=100, output=50, nanodollars=777)), Cost(input=100, output=30, nanodollars=99)

    async def nothing() -> None:
        return

    best: dict[str, float] = dict.fromkeys(("a bare await", "reserve and settle", "a scope"), math.inf)
    for _ in range(blocks):
        marks = [time.perf_counter()]
        for _ in range(each):
            await nothing()
        marks.append(time.perf_counter())
        for _ in range(each):
            (await scope.reserve(bound, role="draft", purpose="think")).settle(actual)
        marks.append(time.perf_counter())
        for _ in range(each):
            scope.scope("node")
        marks.append(time.perf_counter())
        for name, begin, end in zip(list(best), marks, marks[1:], strict=False):
            best[name] = min(best[name], (end - begin) / each * 1e6)
    return best


async def drain(waiters: int, equal: bool = True) -> float:
    """Microseconds of processor time a call, where all but ten wait from the start; of one size, or of many."""
    rng, ledger = random.Random(0), Ledger(Limits(tokens=10**9))
    sizes = [10**8 if equal else rng.randint(10**7, 2 * 10**8) for _ in range(waiters)]

    async def call(size: int) -> None:
        hold = await ledger.reserve(_bound(size, size))
        await asyncio.sleep(0)
        hold.settle(Cost(output=1))

    began = time.process_time()
    await asyncio.gather(*map(call, sizes))
    return (time.process_time() - began) / waiters * 1e6


# -- the page ---------------------------------------------------------------------------------------------------


def plain() -> list[list[object]]:
    rows: list[list[object]] = []
    cases = {"one event loop": in_one_loop, "8 threads, a loop each": in_threads}
    for name, case in cases.items():
        (left, refused), ledger = case()
        rows.append([f"50 calls of 100 under 1000, {name}", _plain(left, refused, ledger)])
    (left, refused), ledger = asyncio.run(over_processes())
    rows.append(["50 calls of 100 under 1000, 4 processes", _plain(left, refused, ledger)])
    return rows


def _plain(left: int, refused: int, ledger: Ledger) -> str:
    return f"{left} left, {refused} refused, {ledger.spent.tokens} spent, {ledger.held['tokens']} held at the end"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10_000, help="random trees of scopes, each with 30 calls")
    parser.add_argument("--waiters", type=int, default=10_000, help="calls that wait for one another")
    options = parser.parse_args()
    rows = plain()
    tally = asyncio.run(fuzz(range(options.seeds)))
    told = f"{tally.overshoot} overshoot, {tally.leaked} leaked holds, {tally.stuck} stuck waiters"
    rows.append([f"{options.seeds} seeds, {tally.calls} calls, {tally.shrunk} grants shrunk", told])
    used, cut = asyncio.run(utilisation())
    rows.append(["bounds of 50 times the use: budget used, calls cut short", f"{used:.2%}, {cut:.2%}"])
    over, events, refused = asyncio.run(lie())
    after = "refused" if refused else "let through"
    rows.append(["a call bound to 900 of 1000 uses 1300", f"{over} over, {events} overrun told, the next call {after}"])
    rows += [[f"microseconds, {name}", f"{value:.2f}"] for name, value in asyncio.run(microseconds()).items()]
    for count in (options.waiters // 10, options.waiters):
        equal, mixed = asyncio.run(drain(count)), asyncio.run(drain(count, equal=False))
        rows.append([f"{count} waiters: microseconds a call, one size, many sizes", f"{equal:.0f}, {mixed:.0f}"])
    notes: list[str] = []
    if importlib.util.find_spec("pydantic_ai"):
        answered, raised = asyncio.run(fifty_in_pydantic_ai())
        told = f"{answered} dispatched, {100 * answered} tokens spent; {raised} raised after they were paid for"
        rows.append([f"the same fifty calls in pydantic-ai {version('pydantic_ai_slim')}", told])
    else:
        notes.append("pydantic_ai is not installed here: no peers are measured.")
    record("overshoot", "what becomes of a budget when calls overlap", ["case", "outcome"], rows, *notes)


if __name__ == "__main__":
    main()
