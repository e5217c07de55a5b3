"""The driver's side of one worker: what it tells becomes the run's own events, what it spends the run's own bill."""

import asyncio
from collections.abc import Coroutine, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Protocol

from ...budget.cost import Cost
from ...budget.events import Event, Trace
from ...budget.lender import Lender
from .channel import Channel
from .door import Inbox
from .hosts import Process
from .job import Job
from .messages import (
    Broken,
    Bye,
    Cancel,
    Done,
    Flush,
    Flushed,
    GiveBack,
    Granted,
    Lease,
    Message,
    Ready,
    Recall,
    Setup,
    Stop,
)

_PARENTS = {"reserve", "tool_start"}
_CHILDREN = {"settle", "tool_end"}


class Reports(Protocol):
    """Who hears what becomes of a worker; always in the event loop."""

    def ready(self, desk: "Desk") -> None:
        """It has loaded its models."""
        ...

    def broken(self, desk: "Desk", error: Exception) -> None:
        """It cannot load them."""
        ...

    def done(self, desk: "Desk", job: Job, message: Done) -> None:
        """A problem of its ended."""
        ...

    def gone(self, desk: "Desk") -> None:
        """It is gone, and all that it said was heard; may come twice."""
        ...

    def failed(self, error: Exception) -> None:
        """What it told cannot be kept."""
        ...


class Desk:
    """One start of one worker. index: which worker; launch: which start of all."""

    process: Process

    def __init__(
        self, index: int, launch: int, *, trace: Trace, lender: Lender, inbox: Inbox, reports: Reports
    ) -> None:
        self.index, self.launch = index, launch
        self.key = f"worker {index + 1}, start {launch}"
        self.is_ready = self.is_broken = self.is_over = False
        self.jobs: dict[int, Job] = {}
        self.channel: Channel | None = None
        self._trace, self._lender, self._inbox, self._reports = trace, lender, inbox, reports
        self._places: dict[str, Job] = {}
        self._ids: dict[int, int] = {}  # of events that others refer to: the worker's and the run's
        self._open: dict[int, Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        """For people."""
        return f"worker {self.index + 1}"

    def meet(self, connection: "Connection[Any, Any]", setup: Setup) -> None:
        """The worker has called."""
        connection.send(setup)
        post, gone = self._inbox.post, partial(self._reports.gone, self)
        self.channel = Channel(connection, lambda batch: post(partial(self._hear, batch)), lambda: post(gone))
        self.channel.open()

    def give(self, job: Job, traceparent: str) -> None:
        """A problem to solve."""
        assert self.channel
        self.jobs[job.number], self._places[job.place] = job, job
        self.channel.send(job.solve(streaming=self._trace.streaming, traceparent=traceparent))

    def call_off(self, job: Job) -> None:
        """Nobody wants it any more."""
        if self.channel:
            self.channel.send(Cancel(job.number))

    def recall(self) -> None:
        """Ask for what is idle."""
        if self.channel:
            self.channel.send(Recall())

    def stop(self) -> None:
        """Nothing more to do; one that has not called yet is ended."""
        if self.channel:
            self.channel.send(Stop())
        else:
            self.process.kill()

    async def bury(self) -> list[Job]:
        """Charge what was out when it went, free the rest of its lease, and give back its problems."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for number, reserve in self._open.items():
            settle = self._lose(number, reserve)
            if job := self._places.get(_problem(reserve.path)):
                job.lost(reserve, settle)
        self._open.clear()
        self._lender.lost(self.key)
        jobs, self.jobs = list(self.jobs.values()), {}
        return jobs

    # -- what the worker says ---------------------------------------------------------------------------------

    def _hear(self, batch: Sequence[Message]) -> None:
        try:
            for message in batch:
                if isinstance(message, Event):
                    self._told(message)
                else:
                    self._act(message)
        except Exception as error:
            self._reports.failed(error)

    def _act(self, message: Message) -> None:
        match message:
            case Ready():
                self.is_ready = True
                self._reports.ready(self)
            case Broken():
                self.is_broken = True
                self._reports.broken(self, message.error)
            case Lease():
                self._begin(self._lease(message))
            case GiveBack():
                self._lender.give_back(self.key, message.units)
            case Flush():
                self._begin(self._flush(message))
            case Done():
                self._done(message)
            case Bye() if self.channel:
                self.channel.close()
            case _:
                pass

    def _done(self, message: Done) -> None:
        job = self.jobs.pop(message.number)
        if self._places.get(job.place) is job:
            del self._places[job.place]
        self._reports.done(self, job, message)

    def _told(self, event: Event) -> None:
        """An event of the worker as one of the run's; told before what it settles is free."""
        job = self._places.get(_problem(event.path))
        if job and event.kind == "problem_start":
            if job.began:
                return  # told when another worker began it
            job.began = True
        parent = event.parent
        if parent is not None:
            parent = self._ids.pop(parent, parent) if event.kind in _CHILDREN else self._ids.get(parent, parent)
        number = self._trace.emit(event.kind, event.path, parent=parent, cost=event.cost, **event.payload)
        if event.kind in _PARENTS:
            self._ids[event.id] = number
        if event.kind == "reserve":
            self._open[event.id] = event
        elif event.kind == "settle":
            self._open.pop(event.parent or 0, None)
        self._lender.take(self.key, event)
        if job:
            job.took(event)

    def _lose(self, number: int, reserve: Event) -> Event:
        told = {name: reserve.payload.get(name, "") for name in ("role", "purpose")}
        parent, cost = self._ids.pop(number, None), reserve.cost or Cost()
        self._trace.emit("settle", reserve.path, parent=parent, cost=cost, **told, stop="lost", unmeasured=True)
        return Event(
            id=-number, parent=number, path=reserve.path, kind="settle", t=reserve.t, cost=cost, payload=dict(told)
        )

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _lease(self, message: Lease) -> None:
        grant = await self._lender.lease(self.key, message.ask)
        if self.channel:
            self.channel.send(Granted(message.number, grant))

    async def _flush(self, message: Flush) -> None:
        try:
            await self._trace.flush()
        except Exception as error:
            self._reports.failed(error)
        else:
            if self.channel:
                self.channel.send(Flushed(message.number))


def _problem(path: str) -> str:
    return path.partition("/")[0]
