"""The plain test over processes: workers that lease from one ledger over pipes, the simplest transport there is."""

import asyncio
import multiprocessing
from collections.abc import Iterable, Mapping
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from ..budget.cost import Cost, Limits
from ..budget.errors import BudgetExceeded
from ..budget.events import Event, Trace
from ..budget.ledger import Bound, Ledger
from ..budget.lender import Lender
from ..budget.supply import Ask, Grant


class Count(NamedTuple):
    """How many calls of a worker left, and how many were refused."""

    dispatched: int
    refused: int


def in_all(counts: Iterable[Count]) -> Count:
    """The counts of several workers together."""
    told = list(counts)
    return Count(sum(count.dispatched for count in told), sum(count.refused for count in told))


class Pipe:
    """A worker's end: the way upstream, and a sink that forwards what the owner must know."""

    streaming = False

    def __init__(self, end: "Connection[object, object]", units: tuple[str, ...]) -> None:
        self.units, self._end = units, end

    async def lease(self, ask: Ask) -> Grant:
        self._end.send(ask)
        grant = await asyncio.to_thread(self._end.recv)
        assert isinstance(grant, Grant)
        return grant

    def give_back(self, units: Mapping[str, int]) -> None:
        self._end.send(dict(units))

    def write(self, event: Event) -> None:
        if event.kind in {"reserve", "settle", "rebook"}:
            self._end.send(event)

    async def flush(self) -> None:
        return


async def fifty(ledger: Ledger, calls: int) -> Count:
    """So many calls at once, of bound and use 100."""
    left = 0

    async def call() -> None:
        nonlocal left
        hold = await ledger.reserve(Bound.fixed(Cost(output=100)), role="draft", purpose="think")
        left += 1
        await asyncio.sleep(0.001)
        hold.settle(Cost(output=100))

    ended = await asyncio.gather(*(call() for _ in range(calls)), return_exceptions=True)
    return Count(left, sum(isinstance(end, BudgetExceeded) for end in ended))


def work(end: "Connection[object, object]", units: tuple[str, ...], calls: int) -> None:
    """A worker process."""
    pipe = Pipe(end, units)
    ledger = Ledger(upstream=pipe, trace=Trace(pipe))
    count = asyncio.run(fifty(ledger, calls))
    ledger.return_idle()
    end.send(count)


async def serve(lender: Lender, worker: str, end: "Connection[object, object]") -> Count:
    """The owner's end of one pipe, until its worker is done; a worker that breaks off is lost."""
    leases: set[asyncio.Task[None]] = set()
    try:
        while not isinstance(said := await asyncio.to_thread(end.recv), Count):
            if isinstance(said, Event):
                lender.take(worker, said)
            elif isinstance(said, Ask):
                leases.add(asyncio.create_task(_lease(lender, worker, said, end)))
            elif isinstance(said, dict):
                lender.give_back(worker, said)  # pyright: ignore[reportUnknownArgumentType]
    except EOFError:
        lender.lost(worker)
        return Count(0, 0)
    return said


async def _lease(lender: Lender, worker: str, ask: Ask, end: "Connection[object, object]") -> None:
    end.send(await lender.lease(worker, ask))


async def over_processes(calls: int = 50, processes: int = 4) -> tuple[Count, Ledger]:
    """What the calls of all processes came to under one cap of 1000, and the owner's ledger."""
    ledger, spawn = Ledger(Limits(tokens=1000)), multiprocessing.get_context("spawn")
    lender, serving, started = Lender(ledger), list[asyncio.Task[Count]](), list[BaseProcess]()
    for index in range(processes):
        ours, theirs = spawn.Pipe()
        share = calls // processes + (index < calls % processes)
        started.append(spawn.Process(target=work, args=(theirs, lender.units, share)))
        started[-1].start()
        theirs.close()
        serving.append(asyncio.create_task(serve(lender, f"worker {index}", ours)))
    counts = await asyncio.gather(*serving)
    for process in started:
        await asyncio.to_thread(process.join)
    return in_all(counts), ledger
