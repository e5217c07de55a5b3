"""Whatever a graph is made of and whenever it is cut short, it ends, holds nothing, and gives every slot back."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from headgate.budget.cost import Cost, Limits
from headgate.budget.ledger import Bound, Ledger
from headgate.budget.slots import Slots
from headgate.orchestrator.graph import Graph, Map, Node
from headgate.orchestrator.scheduler import run_graph
from headgate.strategies.attempts import Retry
from headgate.strategies.base import Answer, Run
from headgate.strategies.growth import Growth
from headgate.verifiers.base import Problem

Work = Callable[[Problem, Run], Awaitable[Answer]]


def working(rng: random.Random) -> Work:
    """Holds something for a few turns of the loop; then answers, fails, or, seldom, breaks."""
    turns, end = rng.randrange(5), rng.choice(["answered"] * 6 + ["failed"] * 2 + ["broken"])

    async def work(problem: Problem, run: Run) -> Answer:
        hold = await run.ledger.reserve(Bound.fixed(Cost(output=1)))
        try:
            for _ in range(turns):
                await asyncio.sleep(0)
            if end == "broken" and rng.random() < 0.2:
                raise ValueError("a bug")
        finally:
            hold.settle(None)
        return Answer(text="a\nb\nc", status="failed" if end == "failed" else "answered")

    return work


def growing(rng: random.Random, depth: int = 2) -> Work:
    async def answer_of(grown: Any) -> Answer:
        answer: Answer = await grown
        return answer

    async def grow(problem: Problem, run: Run) -> Answer:
        async with Growth(run) as growth:
            for i in range(rng.randrange(4)):
                before = list(growth.nodes.values())
                does = growing(rng, depth - 1) if depth and rng.random() < 0.4 else working(rng)
                needs = rng.sample(before, min(len(before), rng.randrange(3)))
                grown = growth.add(f"g{i}", does, problem, needs=needs)
                if rng.random() < 0.3:
                    await grown
                if rng.random() < 0.2:
                    await run.gather(answer_of(each) for each in before)
        return Answer(text="x\ny")

    return grow


def any_graph(rng: random.Random) -> Graph:
    nodes: list[Node] = []
    for i in range(rng.randint(1, 15)):
        needs = rng.sample([node.name for node in nodes], min(len(nodes), rng.randrange(4)))
        mapped = Map(over=f"{needs[0]}.items") if needs and rng.random() < 0.25 else None
        nodes.append(
            Node(
                name=f"n{i}",
                strategy=growing(rng) if rng.random() < 0.3 else working(rng),
                needs=tuple(needs),
                map=mapped,
                join=rng.randint(1, len(needs)) if needs and not mapped and rng.random() < 0.4 else None,
                retry=Retry(attempts=2, wait_s=0) if rng.random() < 0.2 else None,
                timeout_s=rng.choice([None, None, 0.0005, 0.002]),
            )
        )
    needed = {need for node in nodes for need in node.needs}
    return Graph(nodes, [node.name for node in nodes if node.name not in needed])


@pytest.mark.parametrize("seed", range(60))
async def test_whatever_happens_every_run_ends_and_gives_back_what_it_held(seed: int) -> None:
    rng = random.Random(seed)
    slots, ledgers = Slots(rng.randint(1, 3)), [Ledger(Limits(tokens=10**6)) for _ in range(3)]
    runs = [Run(models={}, ledger=ledger) for ledger in ledgers]
    tasks = [asyncio.ensure_future(run_graph(any_graph(rng), Problem(text="?"), run, slots=slots)) for run in runs]
    if rng.random() < 0.4:
        for _ in range(rng.randrange(20)):
            await asyncio.sleep(0)
        tasks[0].cancel()
    ends = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)
    assert all(isinstance(end, Answer | ValueError | asyncio.CancelledError) for end in ends)
    assert slots.free == slots.most
    assert [ledger.held["tokens"] for ledger in ledgers] == [0, 0, 0]
    assert len(asyncio.all_tasks()) == 1


async def test_a_cancellation_of_a_strategys_own_ends_the_run() -> None:
    async def cancel(problem: Problem, run: Run) -> Answer:
        raise asyncio.CancelledError

    run = Run(models={}, ledger=Ledger())
    graph = Graph([Node(name="a", strategy=cancel), Node(name="b", strategy=cancel, needs=("a",))])
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(run_graph(graph, Problem(text="?"), run), 5)
