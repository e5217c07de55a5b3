"""Who waits for room under which cap: first come, first served, smaller ones passing; in any thread, on any loop.

Whoever waits is parked at one cap that is too full for it. Only when that cap has room enough, or can never have it
again, is the request looked at anew: to settle a call costs as much beside ten thousand waiters as beside none.
"""

import asyncio
import math
from collections.abc import Callable, Iterable
from itertools import count
from threading import RLock
from typing import Any, Generic, TypeVar

from .caps import Caps, Gauge, Vector
from .errors import BudgetExceeded
from .parked import arrival

Granted = TypeVar("Granted")


class Request(Generic[Granted]):
    """What somebody asks of a scope's caps: `most`, or at once if `enough` fits, and `least` when no more ever will.

    last: whether a ledger upstream has said that it can never give enough.
    A kind of request says how it takes what fits, and what is undone when nobody is left to take the grant.
    """

    __slots__ = (
        "arrival",
        "caps",
        "enough",
        "final",
        "gauge",
        "granted",
        "last",
        "least",
        "loop",
        "most",
        "need",
        "refused",
        "woken",
    )

    def __init__(self, caps: Caps, most: Vector, enough: Vector, least: Vector, *, final: bool) -> None:
        self.caps, self.final = caps, final
        self.most, self.enough, self.least = most, enough, least
        self.granted: Granted | None = None
        self.refused: Exception | None = None
        self.last = False
        self.gauge: Gauge | None = None
        self.arrival = self.need = 0
        self.loop: asyncio.AbstractEventLoop | None = None
        self.woken: asyncio.Future[None] | None = None

    def take(self, *, whole: bool) -> Granted:
        """Hold `most`, or what fits between `least` and it."""
        raise NotImplementedError

    def undo(self) -> None:
        """Give a grant back that nobody takes; whoever calls looks after those who wait."""
        raise NotImplementedError

    def expired(self) -> BudgetExceeded | None:
        """Why nothing may leave any more."""
        return None

    def result(self) -> Granted:
        """What was decided. Raises: BudgetExceeded."""
        if self.granted is None:
            raise self.refused or RuntimeError("nothing was decided yet; wait for it")
        return self.granted

    def admit(self) -> bool:
        """Grant or refuse, if that can be said now; else note which cap is too full."""
        self.refused = self.expired()
        if self.refused is None and self.caps.fits(self.most, self.final):
            self.granted = self.take(whole=True)
        elif self.refused is None and not self._enough():
            self.refused = self.caps.refusal(self.least, self.final)
            if self.refused is None:
                return self._shrunk()
        return True

    def _enough(self) -> bool:
        if self.last or self.enough is self.most or not self.caps.fits(self.enough, self.final):
            return False
        self.granted = self.take(whole=False)
        return True

    def _shrunk(self) -> bool:
        """Wait for enough while that may fit, else for the least."""
        enough = not self.last and not self.caps.refusal(self.enough, self.final)
        wanted = self.enough if enough else self.least
        if gauge := self.caps.short(wanted, self.final):
            self.gauge, self.need = gauge, self.caps.need(wanted, gauge, self.final)
            return False
        self.granted = self.take(whole=False)
        return True


class Waiters:
    """All that wait in one tree of scopes. Whoever calls anything but `wait` holds the lock."""

    __slots__ = ("_arrivals", "_lock", "left", "short", "waiting")

    def __init__(self, lock: RLock) -> None:
        self._lock, self._arrivals = lock, count(1)
        self.waiting = 0
        self.short: Callable[[], None] | None = None  # called when somebody waits for what is leased
        self.left: Callable[[], None] | None = None  # called when somebody waits no more, and may leave a grant behind

    def join(self, request: Request[Granted]) -> None:
        """Park a request that was not admitted, as the last who came."""
        request.arrival = next(self._arrivals)
        request.loop = asyncio.get_running_loop()
        request.woken = request.loop.create_future()
        self._park(request)

    async def wait(self, request: Request[Granted], seconds: float, tell: Callable[[], object]) -> Granted:
        """The grant, once it is there; `tell` that somebody waits. Raises: BudgetExceeded, TimeoutError."""
        assert request.woken
        try:
            tell()
            async with asyncio.timeout(seconds if seconds < math.inf else None):
                await request.woken
        except BaseException:
            with self._lock:
                self._leave(request)
            raise
        return request.result()

    def pump(self, gauges: Iterable[Gauge]) -> None:
        """Admit, in order of arrival, whoever fits after something changed under these caps; refuse who never will."""
        while self.waiting:
            ready = [found for gauge in gauges if gauge.parked and (found := gauge.first())]
            if not ready:
                return
            request = min(ready, key=arrival)
            self.again(request)

    def again(self, request: Request[Any]) -> None:
        """Look anew at a request that is parked."""
        self._unpark(request)
        if not request.refused and not request.admit():
            self._park(request)
        elif not _wake(request) and request.granted is not None:
            request.undo()

    def _leave(self, request: Request[Granted]) -> None:
        """Out of the queue; a grant that came too late to be taken goes back."""
        if request.gauge:
            self._unpark(request)
        elif request.granted is not None:
            request.undo()
            self.pump(request.caps.gauges)
        if self.left:
            self.left()

    def _park(self, request: Request[Any]) -> None:
        gauge = request.gauge
        assert gauge
        gauge.parked.add(request)
        self.waiting += 1
        if gauge.leased and self.short:
            self.short()

    def _unpark(self, request: Request[Any]) -> None:
        gauge, request.gauge = request.gauge, None
        assert gauge
        gauge.parked.remove(request)
        self.waiting -= 1


def _wake(request: Request[Granted]) -> bool:
    """Tell the loop that waits; False where it is closed."""
    loop, woken = request.loop, request.woken
    assert loop
    assert woken
    if loop is here():
        _set(woken)
        return True
    try:
        loop.call_soon_threadsafe(_set, woken)
    except RuntimeError:
        return False
    return True


def _set(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


def here() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs in this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
