"""The two ends of a worker's socket, in one process: who is let in, what is durable when, and what a lost end costs."""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection
from typing import Any

import pytest

from headgate import Cost, Event, Ledger, Limits
from headgate.budget.events import Trace
from headgate.budget.ledger import Bound
from headgate.budget.lender import Lender
from headgate.orchestrator.fleet.channel import Channel
from headgate.orchestrator.fleet.desk import Desk
from headgate.orchestrator.fleet.door import Door, Inbox
from headgate.orchestrator.fleet.job import Job
from headgate.orchestrator.fleet.messages import Done, Flushed, Granted, Hello, Message, Recall, Setup
from headgate.orchestrator.fleet.upstream import Driver, Forward
from headgate.orchestrator.recipe.source import Source

from .conftest import Seen

SETUP = Setup(recipe=Source(values={}), seed=0, units=("tokens",), seconds=None, prices={}, strict=False, folder=".")
HUNDRED = Bound.fixed(Cost(output=100))


class Patient(Seen):
    """A sink that is durable when it is told to be."""

    durable: asyncio.Event

    async def flush(self) -> None:
        await self.durable.wait()


@dataclass
class Pair:
    """A driver with a thousand tokens, and a worker that spends from them."""

    seen: Patient = field(default_factory=Patient)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    met: "asyncio.Future[Connection[Any, Any]]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    errors: list[Exception] = field(default_factory=list[Exception])

    async def open(self) -> None:
        self.seen.durable = asyncio.Event()
        self.inbox = Inbox()
        self.inbox.bind()
        self.door = Door("127.0.0.1", lambda _, connection: self.inbox.post(lambda: self.met.set_result(connection)))
        trace = Trace(self.seen)
        self.owner = Ledger(Limits(tokens=1000), trace=trace)
        self.desk = Desk(0, 1, trace=trace, lender=Lender(self.owner), inbox=self.inbox, reports=self)
        connection = await asyncio.to_thread(call, self.door)
        self.desk.meet(await self.met, SETUP)
        assert await asyncio.to_thread(connection.recv) == SETUP
        self.loop = asyncio.get_running_loop()
        self.channel = Channel(connection, self._heard, lambda: None)
        self.driver, self.forward = Driver(self.channel.send, ("tokens",)), Forward(self.channel.send)
        self.ledger = Ledger(upstream=self.driver, trace=Trace(self.forward))
        self.channel.open()

    async def close(self) -> None:
        self.channel.close()
        await asyncio.wait_for(self.over.wait(), 20)
        assert await self.desk.bury() == []
        self.door.close()

    def _heard(self, batch: Sequence[Message]) -> None:
        self.loop.call_soon_threadsafe(self._act, batch)

    def _act(self, batch: Sequence[Message]) -> None:
        for message in batch:
            if isinstance(message, Granted):
                self.driver.granted(message)
            elif isinstance(message, Flushed):
                self.forward.flushed(message)
            elif isinstance(message, Recall):
                self.ledger.return_idle()

    def ready(self, desk: Desk) -> None:
        raise NotImplementedError

    def broken(self, desk: Desk, error: Exception) -> None:
        raise NotImplementedError

    def done(self, desk: Desk, job: Job, message: Done) -> None:
        raise NotImplementedError

    def gone(self, desk: Desk) -> None:
        self.over.set()

    def failed(self, error: Exception) -> None:
        self.errors.append(error)


def call(door: Door, key: bytes = b"") -> "Connection[Any, Any]":
    here = door.call(1)
    connection: Connection[Any, Any] = Client((here.host, here.port), authkey=key or here.key)
    connection.send(Hello(1, 0, ""))
    return connection


async def test_a_durable_reservation_waits_until_the_driver_has_kept_its_record() -> None:
    pair = Pair()
    await pair.open()
    reserving = asyncio.create_task(pair.ledger.reserve(HUNDRED, role="target", purpose="think", durable=True))
    while not pair.seen.of("reserve"):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert not reserving.done()
    pair.seen.durable.set()
    (await reserving).settle(Cost(output=60))
    while not pair.seen.of("settle"):
        await asyncio.sleep(0.01)
    assert pair.owner.spent.output == 60
    assert pair.seen.of("settle")[0].parent == pair.seen.of("reserve")[0].id
    await pair.close()
    assert pair.owner.held == {"tokens": 0}


async def test_a_call_that_was_out_when_its_worker_went_is_charged_in_full_and_told_as_lost() -> None:
    pair = Pair()
    await pair.open()
    pair.seen.durable.set()
    (await pair.ledger.reserve(HUNDRED, role="target", purpose="think")).settle(Cost(output=60))
    await pair.ledger.reserve(HUNDRED, role="target", purpose="think", durable=True)
    assert pair.owner.held["tokens"] >= 100
    await pair.close()
    _, lost = pair.seen.of("settle")
    assert (lost.payload["stop"], lost.payload["unmeasured"], lost.cost) == ("lost", True, Cost(output=100))
    assert lost.parent == pair.seen.of("reserve")[1].id
    assert pair.owner.spent.output == 160
    assert pair.owner.held == {"tokens": 0}


async def test_what_cannot_be_copied_is_told_in_words() -> None:
    pair = Pair()
    await pair.open()
    pair.forward.write(Event(id=1, parent=None, path="p", kind="note", t=0.0, payload={"text": lambda: 1, "n": 2}))
    while not pair.seen.of("note"):
        await asyncio.sleep(0.01)
    assert pair.seen.of("note")[0].payload["n"] == 2
    assert "lambda" in str(pair.seen.of("note")[0].payload["text"])
    await pair.close()


async def test_a_sink_that_fails_is_reported_and_not_swallowed() -> None:
    pair = Pair()
    await pair.open()

    def full(event: Event) -> None:
        raise OSError("no space left")

    pair.seen.then = full
    pair.forward.write(Event(id=1, parent=None, path="p", kind="note", t=0.0, payload={}))
    while not pair.errors:
        await asyncio.sleep(0.01)
    assert "no space left" in str(pair.errors[0])
    pair.seen.then = None
    await pair.close()


async def test_nobody_is_let_in_without_the_key_and_a_silent_caller_keeps_nobody_out() -> None:
    pair = Pair()
    await pair.open()
    silent = socket.create_connection((pair.door.call(2).host, pair.door.call(2).port))
    with pytest.raises(AuthenticationError):
        await asyncio.to_thread(call, pair.door, b"another key")
    pair.met = asyncio.get_running_loop().create_future()
    friend = await asyncio.to_thread(call, pair.door)
    (await pair.met).close()
    friend.close()
    silent.close()
    await pair.close()
