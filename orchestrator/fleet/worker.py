"""A worker process: opens a recipe's models once, and solves the problems that its driver sends.

It ends when the driver says so, and at once when the driver is gone. Interrupts are the driver's business.
"""

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Client, Connection
from typing import Any, Final

from ...budget.cost import Limits
from ...budget.events import Trace
from ...budget.history import History
from ...budget.ledger import Ledger
from ...budget.prices import Price
from .. import recipe as recipes
from ..run_folder import version
from ..solver import Solver
from .channel import Channel, lively
from .errors import carried
from .messages import (
    Broken,
    Bye,
    Call,
    Cancel,
    Done,
    Flushed,
    Granted,
    Hello,
    Message,
    Ready,
    Recall,
    Setup,
    Solve,
    Stop,
)
from .upstream import Driver, Forward

_BYE_S: Final = 10.0  # that the driver may take to hear the last words
LOST: Final = 70  # exit code of a worker whose driver is gone


def main() -> None:
    """A worker on the driver's own machine: whom to call stands on standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told = json.load(sys.stdin)
    work(Call(told["host"], told["port"], bytes.fromhex(told["key"]), told["launch"]))


def work(call: Call) -> None:
    """Be a worker until the driver says stop, or is gone."""
    try:
        connection = Client((call.host, call.port), authkey=call.key)
        lively(connection).close()
        connection.send(Hello(call.launch, os.getpid(), version()))
        setup = connection.recv()
    except (OSError, EOFError):
        sys.exit(LOST)  # the driver went away meanwhile
    with suppress(OSError):
        os.chdir(setup.folder)
    worker = Worker(connection, setup)
    asyncio.run(worker.serve())
    worker.gone.wait(_BYE_S)


class Worker:
    """One worker at work."""

    def __init__(self, connection: "Connection[Any, Any]", setup: Setup) -> None:
        self.gone = threading.Event()
        self._channel = Channel(connection, self._heard, self._lost)
        send = self._channel.send
        self._driver, self._forward = Driver(send, setup.units), Forward(send)
        trace = Trace(self._forward, strict=setup.strict)
        # limits of the whole run are the driver's, but for its deadline, which needs no lease
        limits = Limits(seconds=setup.seconds) if setup.seconds is not None else None
        self._history = History()
        self._ledger = Ledger(limits, trace=trace, history=self._history, upstream=self._driver)
        recipe = recipes.of(setup.recipe)
        prices = {name: Price.of(setup.prices[name]) if name in setup.prices else None for name in recipe.models}
        graph = recipes.graph(recipe)
        self._solver = Solver(recipe, graph, ledger=self._ledger, trace=trace, seed=setup.seed, prices=prices)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._ends = False

    async def serve(self) -> None:
        """Load the models and solve what comes, until the driver says stop."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._channel.open()
        try:
            await self._solver.open()
        except Exception as error:
            self._channel.send(Broken(carried(error)))
        else:
            self._channel.send(Ready())
            await self._stop.wait()
            await self._finish()
        self._ends = True
        self._channel.send(Bye())
        self._channel.flush()

    async def _finish(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._solver.close()
        self._ledger.return_idle()

    def _lost(self) -> None:
        """In the thread that reads: nobody is left to answer to."""
        self.gone.set()
        if not self._ends:
            os._exit(LOST)  # whatever computes here computes for nobody

    def _heard(self, batch: Sequence[Message]) -> None:
        self._loop.call_soon_threadsafe(self._act, batch)

    def _act(self, batch: Sequence[Message]) -> None:
        for message in batch:
            match message:
                case Solve():
                    self._forward.streaming = message.streaming
                    self._tasks[message.number] = self._loop.create_task(self._solve(message))
                case Granted():
                    self._driver.granted(message)
                case Flushed():
                    self._forward.flushed(message)
                case Recall():
                    self._ledger.return_idle()
                case Cancel() if message.number in self._tasks:
                    self._tasks[message.number].cancel()
                case Stop():
                    self._stop.set()
                case _:
                    pass

    async def _solve(self, work: Solve) -> None:
        done = Done(work.number)
        self._history.scopes.update(work.spent)
        try:
            if work.traceparent:
                os.environ["TRACEPARENT"] = work.traceparent
            answer = await self._solver.answer(work.problem, run=work.run, kept=work.kept, survive=work.survive)
            done = Done(work.number, answer=answer)
        except Exception as error:
            done = Done(work.number, error=carried(error))
        finally:  # a cancelled one is told too
            for path in work.spent:
                self._history.scopes.pop(path, None)
            del self._tasks[work.number]
            self._channel.send(done)
