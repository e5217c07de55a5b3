"""Who gets which problem, and what becomes of the problems of a worker that dies.

A problem goes to the worker that has the fewest. A worker that dies is started again, three times without a problem
solved in between; its problems begin again elsewhere, with what they had acknowledged. A problem that was there when
two workers died goes on alone, so that a third death is its own; then it has failed, and the others have not.
"""

import asyncio
import math
import pickle
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from ...budget.events import Trace
from ...budget.history import History
from ...budget.ledger import Ledger
from ...budget.lender import Lender
from ...budget.prices import Price
from ...strategies.base import Answer, Kept
from ...verifiers.base import Problem
from ..recipe import Executor, Recipe
from ..run_folder import version
from .desk import Desk
from .door import Door, Inbox
from .errors import FleetError, WorkerDied, WorkerError
from .hosts import Host, host
from .job import DEATHS, Earlier, Job
from .messages import Done, Hello, Setup

RESTARTS: Final = 3  # of a worker, without a problem solved between them
_END_S: Final = 10.0  # that a worker may take to end


class Fleet:
    """Workers at a run's problems; the driver's ledger owns all that they spend."""

    def __init__(
        self,
        recipe: Recipe,
        executor: Executor,
        *,
        ledger: Ledger,
        trace: Trace,
        seed: int,
        prices: Mapping[str, Price | None],
        history: History | None = None,
        traceparent: Callable[[], str] = str,
    ) -> None:
        self._recipe, self._executor, self._workers = recipe, executor, executor.workers or 1
        self._ledger, self._trace, self._seed, self._prices = ledger, trace, seed, prices
        self._history, self._traceparent = history or History(), traceparent
        self._lender = Lender(ledger, recall=self._recall)
        self._inbox = Inbox()
        self._desks: dict[int, Desk] = {}
        self._deaths = [0] * self._workers  # since each worker last solved a problem
        self._waiting: deque[Job] = deque()
        self._launches = self._numbers = 0
        self._earlier: Earlier | None = None
        self._host: Host | None = None
        self._door: Door | None = None
        self._failure: Exception | None = None
        self._last_words = ""
        self._burials: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Future[None] | None = None

    # -- solving ----------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Start the workers, and return when the first is ready. Raises: RecipeError, FleetError."""
        self._inbox.bind()
        self._first = asyncio.get_running_loop().create_future()
        self._host = await asyncio.to_thread(host, self._executor, self._workers)
        self._door = Door(self._host.address, self._arrived)
        try:
            for index in range(self._workers):
                self._start(index)
            await asyncio.shield(self._first)
        except BaseException:
            await self.close()
            raise

    async def answer(self, problem: Problem, *, run: str, kept: Kept, survive: bool = False) -> Answer:
        """Have a problem solved. Raises: FleetError when no worker can, WorkerDied, and what a worker raised."""
        self._bind()
        if self._failure:
            raise self._failure
        self._earlier = self._earlier or Earlier(self._history, kept)
        job = self._job(problem, run, survive)
        self._waiting.append(job)
        try:
            self._assign()
            done = await asyncio.shield(job.ended)
        except asyncio.CancelledError:
            await self._call_off(job)
            raise
        if done.error:
            raise done.error
        if done.answer is None:
            raise asyncio.CancelledError
        return done.answer

    async def close(self) -> None:
        """End all workers, and wait until what they spent is told."""
        self._bind()
        loop = asyncio.get_running_loop()
        self._closing = loop.create_future()
        for desk in list(self._desks.values()):
            desk.stop()
        if self._desks:
            late = loop.call_later(_END_S, self._kill)
            await self._closing
            late.cancel()
        self._fail(FleetError("the workers have ended; open the agent again"))
        if self._door:
            self._door.close()
        if self._host:
            await asyncio.to_thread(self._host.close)

    def _job(self, problem: Problem, run: str, survive: bool) -> Job:
        try:
            pickle.dumps(problem)
        except Exception as error:
            raise WorkerError(f"`meta` of a problem that workers solve must be picklable: {error}") from error
        assert self._earlier
        self._numbers += 1
        ended: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        ended.add_done_callback(_heard)
        return Job(self._numbers, problem, run, survive, self._earlier, ended)

    async def _call_off(self, job: Job) -> None:
        """Cancel a problem, and wait until its calls are settled."""
        job.called_off = True
        with suppress(ValueError):
            self._waiting.remove(job)
            return
        at = next((desk for desk in self._desks.values() if job.number in desk.jobs), None)
        if at:
            at.call_off(job)
            await asyncio.wait([job.ended], timeout=_END_S)
            if not job.ended.done():
                at.process.kill()
                await asyncio.wait([job.ended], timeout=_END_S)

    def _assign(self) -> None:
        """Problems to workers, first come first served; a worker takes no more than its share of them."""
        while self._waiting and (desk := self._place(self._waiting[0])):
            desk.give(self._waiting.popleft(), self._traceparent())

    def _place(self, job: Job) -> Desk | None:
        desks = self._desks.values()
        ready = [desk for desk in desks if desk.is_ready and not any(other.alone for other in desk.jobs.values())]
        if job.alone:
            return next((desk for desk in ready if not desk.jobs), None)
        least = min(ready, key=lambda desk: (len(desk.jobs), desk.index), default=None)
        # not all at once to the first that is ready
        unsolved = len(self._waiting) + sum(len(desk.jobs) for desk in desks)
        return least if least and len(least.jobs) < math.ceil(unsolved / len(desks)) else None

    # -- what workers report ----------------------------------------------------------------------------------

    def ready(self, desk: Desk) -> None:
        """Another one that can work."""
        if self._closing:
            return
        if not self._first.done():
            self._first.set_result(None)
        self._assign()

    def broken(self, desk: Desk, error: Exception) -> None:
        """One cannot load the models: if it is the first to say anything, none can."""
        if not self._first.done():
            self._first.set_exception(error)
        elif not self._closing:
            self._last_words = str(error)
            self._trace.emit("note", "run", text=f"{desk.name} cannot load the models and is left out: {error}")

    def done(self, desk: Desk, job: Job, message: Done) -> None:
        """A problem ended."""
        self._deaths[desk.index] = 0
        if not job.ended.done():
            job.ended.set_result(message)
        self._assign()

    def gone(self, desk: Desk) -> None:
        """One is gone, and everything that it said was heard."""
        if desk.is_over:
            return
        desk.is_over, desk.is_ready = True, False
        task = asyncio.ensure_future(self._bury(desk))
        self._burials.add(task)
        task.add_done_callback(self._burials.discard)

    def failed(self, error: Exception) -> None:
        """What was told cannot be kept: nothing goes on from there."""
        self._fail(error)

    # -- workers come and go ----------------------------------------------------------------------------------

    def _start(self, index: int) -> None:
        assert self._host
        assert self._door
        self._launches += 1
        desk = Desk(index, self._launches, trace=self._trace, lender=self._lender, inbox=self._inbox, reports=self)
        over = partial(self._inbox.post, partial(self._over, desk))
        desk.process = self._host.start(self._door.call(desk.launch), over)
        self._desks[desk.launch] = desk

    def _arrived(self, hello: Hello, connection: "Connection[Any, Any]") -> None:
        """In a thread of the door."""
        self._inbox.post(partial(self._meet, hello, connection))

    def _meet(self, hello: Hello, connection: "Connection[Any, Any]") -> None:
        desk = self._desks.get(hello.launch)
        if desk is None or desk.channel or self._closing:
            connection.close()
        elif hello.version != version():
            what = f"{desk.name} runs headgate {hello.version}, the driver {version()}"
            desk.is_broken = True
            connection.close()
            self.broken(desk, FleetError(f"{what}; install the same on every node"))
        else:
            with suppress(OSError):  # dead already, as its process will tell
                desk.meet(connection, self._setup())

    def _setup(self) -> Setup:
        left = self._ledger.seconds_left()
        return Setup(
            recipe=self._recipe.source,
            seed=self._seed,
            units=self._lender.units,
            seconds=max(0.0, left) if left < math.inf else None,
            prices={name: price.as_row() for name, price in self._prices.items() if price},
            strict=self._trace.strict,
            folder=str(Path.cwd()),
        )

    def _over(self, desk: Desk) -> None:
        """Its process has ended; what is still on its way from it is heard first."""
        if not desk.channel:
            self.gone(desk)
        else:
            asyncio.get_running_loop().call_later(_END_S, desk.channel.close)

    async def _bury(self, desk: Desk) -> None:
        how = await asyncio.to_thread(desk.process.ended, _END_S)
        its = list(desk.jobs.values())
        try:
            jobs = await desk.bury()
            del self._desks[desk.launch]
            self._mourn(desk, jobs, how)
        except Exception as error:
            self._desks.pop(desk.launch, None)
            self._fail(error, *its)
        if self._closing and not self._desks and not self._closing.done():
            self._closing.set_result(None)

    def _mourn(self, desk: Desk, jobs: list[Job], how: str) -> None:
        for job in reversed(jobs):
            self._again(job, how)
        if self._closing or self._failure:
            return
        if not desk.is_broken:
            self._last_words = f"the last one died, {how}"
            self._deaths[desk.index] += 1
            # before any could work there is nothing to hope for from another start
            again = self._first.done() and self._deaths[desk.index] <= RESTARTS
            if self._first.done():
                self._trace.emit("note", "run", text=_obituary(desk.name, how, len(jobs), again))
            if again:
                self._start(desk.index)
        if not self._desks:
            hint = "see what it said on standard error; `headgate resume` goes on with what is finished"
            self._fail(FleetError(f"no worker is left: {self._last_words}; {hint}"))
        self._assign()

    def _again(self, job: Job, how: str) -> None:
        """A problem whose worker died: once more, or never again."""
        job.died()
        if job.ended.done():
            return
        if job.called_off or self._closing:
            job.ended.set_result(Done(job.number))
        elif job.deaths >= DEATHS:
            times = f"its worker died {job.deaths} times, at last: {how}"
            reason = f"{times}; run it alone, with `--workers 0`, and see what the models say"
            answer = job.failed(reason) if job.survive else None
            job.ended.set_result(Done(job.number, answer=answer, error=None if answer else WorkerDied(reason)))
        else:
            self._waiting.appendleft(job)

    def _fail(self, error: Exception, *more: Job) -> None:
        """Nothing is solved any more, and whoever waits is told why."""
        self._failure = self._failure or error
        if not self._first.done():
            self._first.set_exception(error)
        jobs = [*more, *self._waiting, *(job for desk in self._desks.values() for job in desk.jobs.values())]
        self._waiting.clear()
        for job in jobs:
            if not job.ended.done():
                job.ended.set_exception(error)

    def _kill(self) -> None:
        for desk in self._desks.values():
            desk.process.kill()

    def _recall(self) -> None:
        for desk in self._desks.values():
            desk.recall()

    def _bind(self) -> None:
        """Go on in the running loop, if it is another than before."""
        if self._inbox.bind():
            for desk in self._desks.values():
                if desk.channel:
                    desk.channel.bind()


def _obituary(name: str, how: str, problems: int, again: bool) -> str:
    then = (
        "it starts again" if again else f"it is not started again, after {RESTARTS} restarts without a problem solved"
    )
    what = f"; {problems} unfinished problem{'s' if problems != 1 else ''} begin again" if problems else ""
    return f"{name} died, {how}{what}; {then}"


def _heard(ended: "asyncio.Future[Done]") -> None:
    """Nobody may be left to hear of it."""
    if not ended.cancelled():
        ended.exception()
