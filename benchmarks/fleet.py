"""What it costs to have problems solved by worker processes under the driver's one ledger.

python -m headgate.benchmarks.fleet [--problems 400] [--rounds 3] [--ray]

A problem here is one call of a model that costs nothing, so that what is measured is the road: socket, events, leases.
The journal is left out; `benchmarks/journal.py` has its figures.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import aclosing
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any, Literal

from ..budget.cost import Cost, Limits
from ..budget.events import Event, Trace
from ..budget.ledger import Ledger
from ..budget.lender import Lender
from ..budget.supply import Ask
from ..orchestrator.agent import Agent
from ..orchestrator.fleet.channel import Channel
from ..orchestrator.fleet.desk import Desk
from ..orchestrator.fleet.door import Door, Inbox
from ..orchestrator.fleet.job import Job
from ..orchestrator.fleet.messages import Bye, Call, Done, GiveBack, Granted, Hello, Message, Setup
from ..orchestrator.fleet.upstream import Driver
from ..orchestrator.recipe.source import Source
from ..orchestrator.run_folder import version
from ..verifiers.base import Problem
from .overhead import Count
from .results import record

PARALLEL = 64
Use = Literal["local", "ray"]


# -- whole problems ---------------------------------------------------------------------------------------------


def recipe(folder: Path, total: str) -> dict[str, object]:
    """One call of four tokens a problem; `total` is what all may spend."""
    model = folder / "table.json"
    model.write_text(json.dumps({"form": "table", "table": {"*": {" so": 1.0}}}), encoding="utf-8")
    node = {"use": "direct", "roles": {"model": "target"}, "with": {"think_tokens": 0, "answer_tokens": 4}}
    budget = {"total": {"tokens": total}} if total else {}
    return {"version": 1, "models": {"target": f"scripted:{model}"}, "budget": budget, "nodes": {"solve": node}}


async def solve(folder: Path, n: int, workers: int, total: str = "1G", use: Use = "local") -> tuple[float, float, int]:
    """Seconds until the agent is ready, milliseconds a problem, and how many events there were."""
    count, began = Count(), time.perf_counter()
    async with Agent(recipe(folder, total), sinks=[count], workers=workers, executor=use) as agent:
        ready = time.perf_counter()
        warm = agent.solve_all([Problem(text=f"Warm {i}?", id=f"w{i}") for i in range(PARALLEL)], parallel=PARALLEL)
        async with aclosing(warm):
            async for _ in warm:
                pass
        ending = agent.solve_all([Problem(text=f"Question {i}?", id=f"p{i}") for i in range(n)], parallel=PARALLEL)
        before, start = count.events, time.perf_counter()
        async with aclosing(ending):
            async for _ in ending:
                pass
        return ready - began, (time.perf_counter() - start) / n * 1000, count.events - before


# -- the channel alone ------------------------------------------------------------------------------------------


class Hears:
    """A driver that only waits until its worker is done."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    def ready(self, desk: Desk) -> None:
        return

    def broken(self, desk: Desk, error: Exception) -> None:
        raise error

    def done(self, desk: Desk, job: Job, message: Done) -> None:
        return

    def gone(self, desk: Desk) -> None:
        self.over.set()

    def failed(self, error: Exception) -> None:
        raise error


async def between(kind: str, n: int) -> float:
    """Microseconds for each of n leases, one after another, or n events, as fast as they go, from a real process."""
    met: asyncio.Future[tuple[Hello, Connection[Any, Any]]] = asyncio.get_running_loop().create_future()
    inbox, hears, trace = Inbox(), Hears(), Trace(Count())
    inbox.bind()
    lender = Lender(Ledger(Limits(tokens=10**12), trace=trace))

    def arrived(hello: Hello, connection: "Connection[Any, Any]") -> None:
        inbox.post(lambda: met.set_result((hello, connection)))

    door = Door("127.0.0.1", arrived)
    worker = multiprocessing.get_context("spawn").Process(target=child, args=(door.call(1), kind, n))
    worker.start()
    desk = Desk(0, 1, trace=trace, lender=lender, inbox=inbox, reports=hears)
    _, connection = await met
    began = time.perf_counter()
    desk.meet(connection, setup())
    await hears.over.wait()
    seconds = time.perf_counter() - began
    door.close()
    await asyncio.to_thread(worker.join)
    return seconds / n * 1e6


def setup() -> Setup:
    """Of a run without a recipe."""
    source = Source(values={})
    return Setup(recipe=source, seed=0, units=("tokens",), seconds=None, prices={}, strict=False, folder=".")


def child(call: Call, kind: str, n: int) -> None:
    """The worker's end."""
    connection: Connection[Any, Any] = Client((call.host, call.port), authkey=call.key)
    connection.send(Hello(1, os.getpid(), version()))
    connection.recv()
    asyncio.run(talk(connection, kind, n))


async def talk(connection: "Connection[Any, Any]", kind: str, n: int) -> None:
    """Say what is measured, and goodbye."""
    loop, gone = asyncio.get_running_loop(), asyncio.Event()

    def heard(batch: Sequence[Message]) -> None:
        for message in batch:
            if isinstance(message, Granted):
                loop.call_soon_threadsafe(driver.granted, message)

    def lost() -> None:
        loop.call_soon_threadsafe(gone.set)

    channel = Channel(connection, heard, lost)
    driver = Driver(channel.send, ("tokens",))
    channel.open()
    if kind == "leases":
        ask = Ask(least={"tokens": 1}, full={"tokens": 100}, want={"tokens": 3200})
        for _ in range(n):
            channel.send(GiveBack((await driver.lease(ask)).units))
    else:
        for index in range(1, n, 2):  # a call is a reserve and a settle; a loop's turn sends what it has
            told = {"role": "target", "purpose": "answer", "tokens": 4}
            cost = Cost(input=20, output=4, calls=1)
            channel.send(Event(id=index, parent=None, path="p1/n1", kind="reserve", t=0.5, cost=cost, payload=told))
            channel.send(Event(id=index + 1, parent=index, path="p1/n1", kind="settle", t=0.5, cost=cost, payload=told))
            if index % 8 == 1:
                await asyncio.sleep(0)
    channel.send(Bye())
    await gone.wait()


# -- the page ---------------------------------------------------------------------------------------------------


def rows(folder: Path, problems: int, rounds: int) -> list[list[object]]:
    """Each case in every round, so that the machine's moods fall on all alike."""
    cases = {
        "in this process": (0, "1G"),
        "1 worker": (1, "1G"),
        "2 workers": (2, "1G"),
        "1 worker, no limit in all, so no lease": (1, ""),
    }
    found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, (workers, total) in cases.items():
            found[name].append(asyncio.run(solve(folder, problems, workers, total)))
    table: list[list[object]] = []
    for name, measured in found.items():
        ready, each = (statistics.median(one[index] for one in measured) for index in (0, 1))
        table.append([name, f"{each:.2f}", f"{1000 / each:.0f}", f"{measured[0][2] / problems:.1f}", f"{ready:.1f}"])
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ray", action="store_true", help="start a Ray of one's own too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as base:
        table = rows(Path(base), options.problems, options.rounds)
        if options.ray:
            ready, each, events = asyncio.run(solve(Path(base), options.problems, 1, use="ray"))
            table.append(
                [
                    "1 worker of Ray",
                    f"{each:.2f}",
                    f"{1000 / each:.0f}",
                    f"{events / options.problems:.1f}",
                    f"{ready:.1f}",
                ]
            )
    lease = min(asyncio.run(between("leases", 2000)) for _ in range(options.rounds))
    event = min(asyncio.run(between("events", 40_000)) for _ in range(options.rounds))
    notes = [
        f"One lease after another, there and back: {lease:.0f} us, {1e6 / lease:.0f} a second for one worker.",
        f"One event, until the driver has told and billed it: {event:.1f} us, {1e6 / event:.0f} a second.",
    ]
    header = ["problems of one call", "ms each", "a second", "events each", "seconds to start"]
    record("fleet", "problems solved by worker processes", header, table, *notes)


if __name__ == "__main__":
    main()
