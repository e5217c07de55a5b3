"""What a worker's ledger and trace stand on: leases from the driver's ledger, and events that go to its journal."""

import asyncio
from collections.abc import Callable, Mapping
from itertools import count

from ...budget.events import Event
from ...budget.supply import Ask, Grant
from .messages import Flush, Flushed, FromWorker, GiveBack, Granted, Lease

Send = Callable[[FromWorker], None]


class Driver:
    """The driver as a worker's ledger sees it: the owner of all that may be spent. units: those that it caps."""

    def __init__(self, send: Send, units: tuple[str, ...]) -> None:
        self.units = units
        self._send, self._numbers = send, count(1)
        self._asked: dict[int, asyncio.Future[Grant]] = {}

    async def lease(self, ask: Ask) -> Grant:
        """Ask for more, and wait."""
        number = next(self._numbers)
        grant: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        self._asked[number] = grant
        self._send(Lease(number, ask))
        return await grant

    def give_back(self, units: Mapping[str, int]) -> None:
        """Return what is idle."""
        self._send(GiveBack(dict(units)))

    def granted(self, message: Granted) -> None:
        """What was asked for is here; where nobody waits for it any more, it goes back."""
        waiting = self._asked.pop(message.number)
        if not waiting.done():
            waiting.set_result(message.grant)
        elif message.grant.units:
            self.give_back(message.grant.units)


class Forward:
    """A sink that sends every event to the driver."""

    streaming = False

    def __init__(self, send: Send) -> None:
        self._send, self._numbers = send, count(1)
        self._asked: dict[int, asyncio.Future[None]] = {}

    def write(self, event: Event) -> None:
        self._send(event)

    async def flush(self) -> None:
        number = next(self._numbers)
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked[number] = durable
        self._send(Flush(number))
        await durable

    def flushed(self, message: Flushed) -> None:
        """The driver has made durable what was told before."""
        waiting = self._asked.pop(message.number)
        if not waiting.done():
            waiting.set_result(None)
