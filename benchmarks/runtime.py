"""What a node costs that does nothing: chains and fan-outs with a join, beside bare asyncio and other graph runtimes.

Every system runs the same graph in every round, one after another, so that a busy machine is busy for all of them; the
figures are medians over the rounds, and the factor is the median of each round's own, to a bare asyncio task for every
node under one TaskGroup. `features off` has no sink and no limits. `budget` reserves and settles in every node, through
four scopes of four limits each. `journal` keeps every event in a file, group commit, and is timed until all of it is
durable; `external` waits in every node until its reservation is. Peers run without a checkpointer; they are left out
where they are not installed (`pip install "headgate[peers]"`).

python -m headgate.benchmarks.runtime [--rounds 9] [--nodes 1000] [--many 100000] [--no-peers]
"""

import argparse
import asyncio
import gc
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ..budget.cost import Cost, Limits
from ..budget.events import Event, Sink, Trace
from ..budget.ledger import Bound, Ledger
from ..budget.slots import Slots
from ..orchestrator.graph import Graph, Node
from ..orchestrator.journal import Header, Journal
from ..orchestrator.scheduler import run_graph
from ..strategies.base import Answer, Run, Strategy
from ..verifiers.base import Problem
from .peers import Once, installed, peer
from .results import record

SHAPES = ("chain", "fan-out")
PROBLEM = Problem(text="?")
CAPS = Limits.of({"tokens": 10**12, "output": 10**12, "tool_calls": 10**9, "dollars": 10**6})
BOUND, USED = Bound.fixed(Cost(input=140, output=20, calls=1)), Cost(input=100, output=20, calls=1)
FLOOR, OFF, BUDGET = "bare asyncio", "headgate, features off", "headgate, events + budget"
JOURNAL, EXTERNAL = "headgate, events + budget + journal", "headgate, the same, external nodes"


class Clock(NamedTuple):
    """Seconds on the wall, and of the processor over all threads of this process."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> "Clock":
        return cls(time.perf_counter(), time.process_time())

    def __sub__(self, earlier: "Clock") -> "Clock":
        return Clock(self.wall - earlier.wall, self.cpu - earlier.cpu)


class Keep:
    """A sink that keeps events."""

    streaming = False

    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, event: Event) -> None:
        self.events.append(event)

    async def flush(self) -> None:
        return


async def nothing(problem: Problem, run: Run) -> Answer:
    """A node that does nothing."""
    return Answer(text="")


async def spend(problem: Problem, run: Run, *, durable: bool = False) -> Answer:
    """A node that only reserves and settles."""
    hold = await run.ledger.reserve(BOUND, role="model", purpose="think", durable=durable)
    hold.settle(USED)
    return Answer(text="")


async def sleep(problem: Problem, run: Run) -> Answer:
    """A node that is at work for a while."""
    await asyncio.sleep(0.2)
    return Answer(text="")


def graph(shape: str, n: int, strategy: Strategy) -> Graph:
    """n nodes in a chain, or n side by side between a first one and a join."""
    if shape == "chain":
        return Graph([Node(name=f"n{i}", strategy=strategy, needs=(f"n{i - 1}",) if i else ()) for i in range(n)])
    middle = [Node(name=f"n{i}", strategy=strategy, needs=("first",)) for i in range(n)]
    ends = (
        Node(name="first", strategy=strategy),
        Node(name="last", strategy=strategy, needs=tuple(m.name for m in middle)),
    )
    return Graph([ends[0], *middle, ends[1]])


def new_run(*sinks: Sink, capped: bool = False) -> Run:
    """A run two scopes below the root; a node's own and its limits make the four."""
    trace = Trace(*sinks)
    limits = CAPS if capped else None
    ledger = Ledger(limits, trace=trace).scope("p1", limits).scope("part", limits)
    return Run(models={}, ledger=ledger, trace=trace, path="p1/part")


# -- one run of each ------------------------------------------------------------------------------------------


async def bare(n: int) -> None:
    """A task for every node, and nothing else."""

    async def node() -> None:
        return None

    async with asyncio.TaskGroup() as group:
        for _ in range(n):
            group.create_task(node())


async def off(made: Graph) -> None:
    """No sink, no limits."""
    await run_graph(made, PROBLEM, new_run())


async def budget(made: Graph) -> None:
    """Every event kept in memory; every node spends."""
    await run_graph(made, PROBLEM, new_run(Keep(), capped=True))


async def journal(made: Graph, folder: Path) -> Clock:
    """Every event kept in a journal; what it took until all of it was durable, without opening the file."""
    kept = Journal.create(folder / f"{time.monotonic_ns()}.jsonl", Header(run="r", recipe="", headgate=""))
    try:
        begun = Clock.now()
        await run_graph(made, PROBLEM, new_run(kept, capped=True))
        await kept.flush()
        return Clock.now() - begun
    finally:
        kept.close()


def systems(shape: str, n: int, folder: Path, peers: Sequence[str]) -> dict[str, Once]:
    """What runs in every round, by name, with its graph built."""
    plain, spending = graph(shape, n, nothing), graph(shape, n, spend)
    external = graph(shape, n, partial(spend, durable=True))
    ours: dict[str, Once] = {
        FLOOR: lambda: bare(n),
        OFF: lambda: off(plain),
        BUDGET: lambda: budget(spending),
        JOURNAL: lambda: journal(spending, folder),
        EXTERNAL: lambda: journal(external, folder),
    }
    return ours | {name: peer(name, shape, n) for name in peers}


# -- measuring ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Timed:
    """Microseconds a node in each round, on the wall and of the processor."""

    wall: list[float] = field(default_factory=list[float])
    cpu: list[float] = field(default_factory=list[float])


def measure(once: dict[str, Once], n: int, rounds: int) -> dict[str, Timed]:
    """Every system in every round."""
    times = {name: Timed() for name in once}
    for _ in range(rounds):
        for name, run in once.items():
            wall, cpu = asyncio.run(_timed(run))
            times[name].wall.append(wall * 1e6 / n)
            times[name].cpu.append(cpu * 1e6 / n)
    return times


async def _timed(run: Once) -> Clock:
    gc.collect()
    gc.freeze()  # what a peer imported is not searched again while another is timed
    begun = Clock.now()
    took = await run()
    return took if isinstance(took, Clock) else Clock.now() - begun


def factor(times: dict[str, Timed], name: str) -> float:
    """How many times the floor of the same round, by processor time; the median."""
    pairs = zip(times[name].cpu, times[FLOOR].cpu, strict=True)
    return statistics.median(cpu / floor for cpu, floor in pairs)


def rows(shape: str, n: int, times: dict[str, Timed]) -> list[list[object]]:
    """A line for each system."""
    lines: list[list[object]] = []
    for name, timed in times.items():
        wall = [f"{value:.1f}" for value in (statistics.median(timed.wall), min(timed.wall), max(timed.wall))]
        cpu = f"{statistics.median(timed.cpu):.1f}"
        lines.append([f"{shape} {n:,}", name, *wall, cpu, f"{factor(times, name):.1f}"])
    return lines


def memory(n: int) -> tuple[float, float]:
    """KiB a node: of a graph at rest, and what each of n nodes adds that are all at work at once."""
    gc.collect()
    tracemalloc.start()
    made = graph("fan-out", n, sleep)
    gc.collect()
    rest, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    asyncio.run(_all_at_once(made, n))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return rest / n / 1024, (peak - rest) / n / 1024


async def _all_at_once(made: Graph, n: int) -> None:
    await run_graph(made, PROBLEM, new_run(), slots=Slots(n + 2))


def linearity(n: int, many: int, rounds: int) -> dict[str, float]:
    """How many times as much a node of a graph of `many` costs as one of n, the median of interleaved rounds."""
    found: dict[str, float] = {}
    for shape in SHAPES:
        small, large = graph(shape, n, nothing), graph(shape, many, nothing)
        repeats = max(1, min(10, many // n // 10))
        ratios: list[float] = []
        for _ in range(rounds):
            few = statistics.median(asyncio.run(_timed(partial(off, small)))[1] / n for _ in range(repeats))
            ratios.append(asyncio.run(_timed(partial(off, large)))[1] / many / few)
        found[shape] = statistics.median(ratios)
    return found


def main() -> None:
    options = _options()
    found = {} if options.no_peers else installed()
    lines: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for shape in SHAPES:
            once = systems(shape, options.nodes, Path(folder), list(found))
            lines += rows(shape, options.nodes, measure(once, options.nodes, options.rounds))
        for shape in SHAPES:
            made = graph(shape, options.many, nothing)
            few: dict[str, Once] = {FLOOR: partial(bare, options.many), OFF: partial(off, made)}
            lines += rows(shape, options.many, measure(few, options.many, min(3, options.rounds)))
    grows = linearity(options.nodes, options.many, min(5, options.rounds))
    rest, live = memory(10_000)
    peers = ", ".join(f"{name} {number}" for name, number in found.items()) or "no peer is installed or asked for"
    record(
        "runtime",
        "microseconds a node that does nothing",
        ["graph", "system", "median", "min", "max", "processor", "times bare asyncio"],
        lines,
        f"{options.rounds} interleaved rounds. Peers: {peers}. `processor` is the process's own time, all its threads.",
        f"A node of {options.many:,} costs, in processor time, {_said(grows)} times one of {options.nodes:,}.",
        f"Memory, by tracemalloc, 10,000 nodes side by side: {rest:.2f} KiB a node, {live:.2f} KiB more while at work.",
    )


def _said(grows: dict[str, float]) -> str:
    return " and ".join(f"{ratio:.2f} ({shape})" for shape, ratio in grows.items())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add: Callable[..., object] = parser.add_argument
    add("--rounds", type=int, default=9, help="how often every system runs; the figures are medians")
    add("--nodes", type=int, default=1000, help="of the graphs that all systems run")
    add("--many", type=int, default=100_000, help="of the graphs that show whether the cost grows with the graph")
    add("--no-peers", action="store_true", help="only headgate and the floor")
    return parser.parse_args()


if __name__ == "__main__":
    main()
