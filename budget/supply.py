"""A worker's side of a lease: its root spends only what it leased from the ledger of another process.

When only the root is short, more is asked for, in one request at a time. A worker that waits for a lease holds no more
than its running calls need: the rest goes back first, so that two workers with half a call's worth each do not wait for
each other. What is idle when nothing runs and nobody waits goes back soon after.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, Final, Protocol

from .caps import Caps, Vector
from .errors import BudgetExceeded
from .parked import arrival
from .waiters import Request, Waiters, here

CALLS: Final = 32  # worth of one lease: a round trip costs about as much as a hundred reservations
_LINGER_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a worker asks for, by unit: least, one call at its least; full, one call in full; want, some calls."""

    least: Mapping[str, int]
    full: Mapping[str, int]
    want: Mapping[str, int]
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a worker got, by unit. last: `full` can never fit; short: nor can `least`: scope, unit, asked, left."""

    units: Mapping[str, int] = field(default_factory=dict[str, int])
    last: bool = False
    short: tuple[str, str, float, float] | None = None


class Upstream(Protocol):
    """The way to the ledger that leases, such as a pipe or an actor.

    Messages keep their order: what is given back and what is told of calls arrive before what is asked later.
    """

    @property
    def units(self) -> Sequence[str]:
        """The units that the ledger upstream caps."""
        ...

    async def lease(self, ask: Ask) -> Grant:
        """Ask for more, and wait. A grant that arrives after a cancellation goes back."""
        ...

    def give_back(self, units: Mapping[str, int]) -> None:
        """Return what is idle; must not block."""
        ...


class Supply:
    """What one tree has leased: the gauges of its root. Whoever calls holds the lock of the tree."""

    __slots__ = ("_asking", "_caps", "_lingers", "_lock", "_task", "_upstream", "_waiters")

    def __init__(self, upstream: Upstream, caps: Caps, lock: RLock, waiters: Waiters) -> None:
        self._upstream, self._caps, self._lock, self._waiters = upstream, caps, lock, waiters
        self._asking = self._lingers = False
        self._task: asyncio.Task[None] | None = None

    def short(self) -> None:
        """Somebody waits for what is leased: ask for more, unless that is under way."""
        if not self._asking and (request := self._first()):
            self._asking = True
            _soon(request.loop, self._start, otherwise=self._stopped)

    def tend(self) -> None:
        """Something came free, and who fits has it: return what is idle, at once where more is asked for."""
        if self._asking:
            self.give_back()
        elif not self._waiters.waiting and not self._lingers and not self._held() and self._idle():
            self._lingers = True
            _soon(here(), self._linger, otherwise=self._lingered)

    def give_back(self) -> None:
        """Return all that no call holds."""
        if idle := self._idle():
            self._upstream.give_back(idle)
            self._arrive(idle, -1)

    def exceeded(self, held: Vector, used: Vector) -> None:
        """What a call used beyond its bound was never leased: the owner charges it beside the lease."""
        units = self._caps.units.names
        self._arrive({unit: now - was for unit, was, now in zip(units, held, used, strict=False) if now > was}, 1)

    # -- asking -----------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._ask())

    async def _ask(self) -> None:
        try:
            while ask := self._next():
                request, asked = ask
                try:
                    grant = await self._upstream.lease(asked)
                except Exception as error:
                    self._failed(request, error)
                else:
                    self._granted(request, grant)
        except BaseException:
            with self._lock:
                self._stopped()
                self.short()
            raise

    def _next(self) -> tuple[Request[Any], Ask] | None:
        with self._lock:
            request = self._first()
            if request is None:
                self._stopped()
                self.tend()
                return None
            self.give_back()
            least, full, most = map(self._by_unit, (request.least, request.enough, request.most))
            want = {unit: CALLS * amount for unit, amount in most.items()}
            return request, Ask(least=least, full=full, want=want, final=request.final)

    def _granted(self, request: Request[Any], grant: Grant) -> None:
        with self._lock:
            self._arrive(grant.units, 1)
            request.last = request.last or grant.last
            if grant.short and not request.refused:
                request.refused = BudgetExceeded(*grant.short)
            if request.gauge and (grant.last or grant.short):
                self._waiters.again(request)
            self._waiters.pump(self._caps.gauges)

    def _failed(self, request: Request[Any], error: Exception) -> None:
        with self._lock:
            if request.gauge:
                request.refused = error
                self._waiters.again(request)

    def _stopped(self) -> None:
        self._asking = False

    # -- what is there ----------------------------------------------------------------------------------------

    def _first(self) -> Request[Any] | None:
        heads = [head for gauge in self._caps.gauges if (head := gauge.parked.head())]
        return min(heads, key=arrival, default=None)

    def _idle(self) -> dict[str, int]:
        return {gauge.unit: gauge.free for gauge in self._caps.gauges if gauge.free > 0}

    def _held(self) -> bool:
        return any(gauge.room > gauge.free for gauge in self._caps.gauges)

    def _arrive(self, units: Mapping[str, int], sign: int) -> None:
        for gauge in self._caps.gauges:
            amount = sign * units.get(gauge.unit, 0)
            gauge.cap += amount
            gauge.room += amount
            gauge.free += amount

    def _by_unit(self, units: Vector) -> dict[str, int]:
        index = self._caps.units.index
        return {gauge.unit: units[index(gauge.unit)] for gauge in self._caps.gauges}

    def _linger(self) -> None:
        asyncio.get_running_loop().call_later(_LINGER_S, self._lingered)

    def _lingered(self) -> None:
        with self._lock:
            self._lingers = False
            if not self._asking and not self._waiters.waiting and not self._held():
                self.give_back()


def _soon(loop: asyncio.AbstractEventLoop | None, act: Callable[[], None], *, otherwise: Callable[[], None]) -> None:
    """Act in a loop; without one that runs, do the other thing here."""
    if loop is None or loop.is_closed():
        otherwise()
    else:
        loop.call_soon_threadsafe(act)
