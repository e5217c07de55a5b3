"""The ledger: reserve a bound, bind the call to what was granted, settle what it cost; no cap is ever passed.

A call reserves its dearest outcome in its scope and in every scope above, atomically, from any thread and any event
loop. What it is granted becomes its `max_tokens`, so the engine enforces our number. Only calls hold; nobody holds
while waiting for another reservation, so waiting cannot deadlock. A reservation

- is granted in full when it fits beside all that is held;
- waits, first come first served but letting smaller ones pass, when it would fit if others settle below their bounds;
- is shrunk to what is left, and bound to it, when its full bound can never fit but `least` tokens still can;
- is refused when not even that can ever fit: spent only grows.

Part of a scope may be an answer reserve, which only `final` calls touch, so that a run ends with an answer. At the
deadline nothing more leaves. A hold whose outcome is unknown is charged in full. With the history of earlier processes
every scope begins with what it has spent already.
"""

import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from threading import RLock

from .bill import Bill, entry
from .caps import Caps, Gauge, Units, Vector
from .cost import Cost, Limits
from .errors import BudgetExceeded
from .events import Trace
from .history import History, Spent
from .hold import Bound, Hold
from .supply import Supply, Upstream
from .waiters import Request, Waiters

__all__ = ["Bound", "Hold", "Ledger"]

_NO_LIMITS = Limits()
_NOTHING = Cost()
_NEVER = Spent()


@dataclass(slots=True)
class _Tree:
    """What all scopes of one tree share. The lock is held for figures only, never while sinks are told."""

    clock: Callable[[], float]
    history: History
    lock: RLock = field(default_factory=RLock)
    units: Units = field(default_factory=Units)
    waiters: Waiters = field(init=False)
    supply: Supply | None = None

    def __post_init__(self) -> None:
        self.waiters = Waiters(self.lock)


class Ledger:
    """One scope of a tree of budgets; `scope` opens another below it.

    history: what earlier processes of the run spent, for a root that goes on. upstream: another process's ledger, for a
    root that spends only what it leases there.
    """

    __slots__ = ("_bill", "_bills", "_deadline", "_own", "_trace", "caps", "deadline", "parent", "path", "tree")

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        name: str = "run",
        parent: "Ledger | None" = None,
        answer_reserve: float = 0.0,
        trace: Trace | None = None,
        clock: Callable[[], float] = time.monotonic,
        history: History | None = None,
        upstream: Upstream | None = None,
    ) -> None:
        if not 0 <= answer_reserve < 1:
            raise ValueError(f"an answer reserve is a share from 0 to below 1, such as 5%; found {answer_reserve}")
        self.parent = parent
        self._bill = Bill()
        self._bills: tuple[Bill, ...] = (self._bill, *parent._bills) if parent else (self._bill,)
        if parent is None:
            self.path = name
            self._trace, self.tree = trace or Trace(), _Tree(clock, history or History())
            self.caps, self.deadline, self._deadline = Caps((), self.tree.units), math.inf, math.inf
        else:
            self.path = f"{parent.path}/{name}" if parent.parent else name
            self._trace, self.tree = trace or parent._trace, parent.tree
            self.caps, self.deadline, self._deadline = parent.caps, parent.deadline, parent._deadline
        self._own: tuple[Gauge, ...] = ()
        if upstream and parent is None:
            self._lease_from(upstream)
        earlier = self.tree.history.at(self.path if parent else "")
        if earlier:
            self._restore(earlier)
        if limits:
            share = 1 - Fraction(str(answer_reserve)) if answer_reserve else 1
            self._limit(limits, share, earlier or _NEVER)

    def scope(self, name: str, limits: Limits | None = None, *, answer_reserve: float = 0.0) -> "Ledger":
        """A scope below this one; its limits are caps, not a share set aside."""
        return Ledger(limits, name=name, parent=self, answer_reserve=answer_reserve)

    def chain(self) -> "Iterator[Ledger]":
        """This scope and all above it."""
        scope: Ledger | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def left(self, unit: str, *, final: bool = True) -> float:
        """What may still be reserved of a unit, as `Cost.units` names it; infinite where nothing here limits it."""
        with self.tree.lock:
            known = (gauge for gauge in self.caps.gauges if gauge.unit == unit and not gauge.leased)
            return min((gauge.left(final) for gauge in known), default=math.inf)

    def seconds_left(self, *, final: bool = True) -> float:
        """Until nothing more may leave; infinite without a deadline."""
        return (self.deadline if final else self._deadline) - self.tree.clock()

    @property
    def held(self) -> dict[str, int]:
        """What open calls hold of each capped unit."""
        with self.tree.lock:
            return {gauge.unit: gauge.room - gauge.free for gauge in self._own}

    @property
    def bill(self) -> dict[tuple[str, str], Cost]:
        """What each role spent on each purpose, in order of first use."""
        with self.tree.lock:
            return self._bill.costs()

    @property
    def spent(self) -> Cost:
        """What was spent here and in all scopes below."""
        return sum(self.bill.values(), _NOTHING)

    def spent_by_role(self) -> dict[str, Cost]:
        """What each role cost, all purposes together, in order of first use."""
        roles: dict[str, Cost] = {}
        for (role, _), cost in self.bill.items():
            roles[role] = roles.get(role, _NOTHING) + cost
        return roles

    def rebook(self, cost: Cost, role: str, was: str, now: str) -> None:
        """Move what was spent from one purpose to another, such as from think to wasted; no total changes."""
        self._trace.emit("rebook", self.path, cost=cost, role=role, was=was, now=now)
        with self.tree.lock:
            self.bill_to(role, was, _NOTHING - cost)
            self.bill_to(role, now, cost)

    async def reserve(
        self, bound: Bound, *, role: str = "", purpose: str = "", final: bool = False, durable: bool = False
    ) -> Hold:
        """Hold a bound before a call leaves; `durable` waits until the record of it is.

        role and purpose say who spends on what: the key of `bill`. final: may use the answer reserve.

        Raises: BudgetExceeded when not even `bound.least` tokens can ever fit, or past the deadline.
        """
        try:
            hold = self._at_once(bound, final) or await self._in_turn(bound, final)
        except BudgetExceeded as error:
            told = {"unit": error.unit, "asked": error.asked, "left": error.left}
            self._trace.tell("refuse", self.path, None, None, {"role": role, "purpose": purpose, **told})
            raise
        hold.role, hold.purpose = role, purpose
        if self._trace.sinks:
            self._record(hold)
        if durable:
            await self._endure(hold, final)
        return hold

    def charge(self, hold: Hold, actual: Cost | None, payload: Mapping[str, object]) -> Cost:
        """Move a hold to spent in every scope, once; `Hold.settle` calls it."""
        tree, unmeasured = self.tree, actual is None
        cost = hold.bound if actual is None else actual
        with tree.lock:
            if hold.settled is not None:
                return hold.settled
            hold.settled = cost
        try:
            # told before there is room, so that no record shows more open and spent than the caps allow
            if self._trace.sinks:
                told = {"role": hold.role, "purpose": hold.purpose, "unmeasured": unmeasured, **payload}
                self._trace.tell("settle", self.path, hold.id, cost, told)
        finally:
            used = tree.units.of(cost)
            with tree.lock:
                over = self.caps.move(hold.units, used)
                self.bill_to(hold.role, hold.purpose, cost)
                if over and tree.supply:
                    tree.supply.exceeded(hold.units, used)
                self.freed()
            if over:
                self.overrun(hold.units, used)
        return cost

    def give_back(self, hold: Hold) -> None:
        """Undo a hold, once; `Hold.release` calls it. What a record was made of is settled at nothing."""
        with self.tree.lock:
            if hold.settled is not None:
                return
            hold.settled = _NOTHING
        try:
            if hold.id:
                told = {"role": hold.role, "purpose": hold.purpose, "stop": "released"}
                self._trace.tell("settle", self.path, hold.id, _NOTHING, told)
        finally:
            with self.tree.lock:
                self.caps.move(hold.units, (0,) * len(hold.units))
                self.freed()

    def return_idle(self) -> None:
        """Give back upstream what was leased and no call holds, such as when its owner is short."""
        with self.tree.lock:
            if self.tree.supply:
                self.tree.supply.give_back()

    def bill_to(self, role: str, purpose: str, cost: Cost) -> None:
        """Put a cost on the bills from here up; whoever calls holds the lock and has moved the units."""
        spent = entry(role, purpose, cost)
        for bill in self._bills:
            bill.put(spent)

    # -- admission --------------------------------------------------------------------------------------------

    def _at_once(self, bound: Bound, final: bool) -> Hold | None:
        """The whole bound, if it fits right now. Raises: BudgetExceeded past the deadline."""
        tree, cost = self.tree, bound.cost(bound.most)
        units = tree.units.of(cost)
        with tree.lock:
            if self.deadline < math.inf and (expired := self.expired(final)):
                raise expired
            if not self.caps.fits(units, final):
                return None
            self.caps.hold(units)
        return Hold(self, cost, units, bound.most, False)

    async def _in_turn(self, bound: Bound, final: bool) -> Hold:
        """What the caps allow, when they do. Raises: BudgetExceeded."""
        request = _Call(self, self.caps, self.tree.units, bound, final)
        with self.tree.lock:
            if request.admit():
                return request.result()
            self.tree.waiters.join(request)
        try:
            wait = functools.partial(self._trace.tell, "wait", self.path, None, None, request.short_of())
            return await self.tree.waiters.wait(request, self.seconds_left(final=final), wait)
        except TimeoutError:
            raise BudgetExceeded(self.path, "seconds", 0, 0) from None

    def expired(self, final: bool) -> BudgetExceeded | None:
        """Why nothing more may leave, past the deadline."""
        left = self.seconds_left(final=final)
        return BudgetExceeded(self.path, "seconds", 0, left) if left <= 0 else None

    def take(self, bound: Bound, final: bool, *, whole: bool) -> Hold:
        """Hold all, or the most tokens that fit where `least` do, by bisection; the lock is held."""
        of, low, high = self.tree.units.of, bound.least, bound.most
        while not whole and high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.caps.fits(of(bound.cost(middle)), final) else (low, middle)
        tokens = bound.most if whole else low
        cost = bound.cost(tokens)
        self.caps.hold(units := of(cost))
        return Hold(self, cost, units, tokens, tokens < bound.most)

    def freed(self) -> None:
        """See who fits now that something settled or came back; whoever calls holds the lock."""
        if self.tree.waiters.waiting:
            self.tree.waiters.pump(self.caps.gauges)
        if self.tree.supply:
            self.tree.supply.tend()

    # -- a scope opens ----------------------------------------------------------------------------------------

    def _limit(self, limits: Limits, share: Fraction | int, earlier: Spent) -> None:
        """Caps of its own, of which earlier processes have used some, and a deadline."""
        units = self.tree.units
        with self.tree.lock:
            places = {unit: units.index(unit) for unit in limits.caps()}
            used = units.of(sum(earlier.bill.values(), _NOTHING))
            own = tuple(
                Gauge(self.path, unit, cap, cap - math.floor(cap * share), used[places[unit]])
                for unit, cap in limits.caps().items()
            )
            self.caps, self._own = Caps(own + self.caps.gauges, units), own + self._own
        if limits.seconds is not None:
            began = self.tree.clock() - earlier.seconds
            self.deadline = min(self.deadline, began + limits.seconds)
            self._deadline = min(self._deadline, began + limits.seconds * float(share))

    def _lease_from(self, upstream: Upstream) -> None:
        units = self.tree.units
        for unit in upstream.units:
            units.index(unit)
        self._own = tuple(Gauge(self.path, unit, 0, 0, leased=True) for unit in upstream.units)
        self.caps = Caps(self._own, units)
        self.tree.supply = Supply(upstream, self.caps, self.tree.lock, self.tree.waiters)
        self.tree.waiters.short, self.tree.waiters.left = self.tree.supply.short, self.tree.supply.tend

    def _restore(self, earlier: Spent) -> None:
        with self.tree.lock:
            for key, cost in earlier.bill.items():
                self._bill.put(entry(*key, cost))

    # -- what is told -----------------------------------------------------------------------------------------

    def _record(self, hold: Hold) -> None:
        """Tell of a hold; one that cannot be recorded goes back."""
        told = {"role": hold.role, "purpose": hold.purpose, "tokens": hold.tokens, "shrunk": hold.shrunk}
        try:
            hold.id = self._trace.tell("reserve", self.path, None, hold.bound, told)
        except BaseException:
            hold.release()
            raise

    async def _endure(self, hold: Hold, final: bool) -> None:
        """Wait until the record of a hold is durable; one whose is not goes back."""
        try:
            await self._trace.flush()
            if expired := self.expired(final):
                raise expired
        except BaseException:
            hold.release()
            raise

    def overrun(self, held: Vector, used: Vector) -> None:
        """A provider went beyond what it was bound to: told, never hidden; what is really used counts from now on."""
        for unit, bound, now in zip(self.tree.units.names, held, used, strict=False):
            if now > bound:
                passed = [gauge for gauge in self.caps.gauges if gauge.unit == unit and gauge.room < 0]
                for gauge in passed:
                    self._trace.emit("overrun", gauge.path, unit=unit, asked=gauge.cap - gauge.room, left=gauge.room)
                if not passed:
                    self._trace.emit("overrun", self.path, unit=unit, asked=now, left=bound - now)


class _Call(Request[Hold]):
    """A call that could not be held at once."""

    __slots__ = ("_bound", "_scope")

    def __init__(self, scope: Ledger, caps: Caps, units: Units, bound: Bound, final: bool) -> None:
        most, least = units.of(bound.cost(bound.most)), units.of(bound.cost(bound.least))
        enough = most if bound.enough is None else units.of(bound.cost(bound.enough))
        super().__init__(caps, most, enough, least, final=final)
        self._scope, self._bound = scope, bound

    def expired(self) -> BudgetExceeded | None:
        return self._scope.expired(self.final)

    def take(self, *, whole: bool) -> Hold:
        return self._scope.take(self._bound, self.final, whole=whole)

    def short_of(self) -> dict[str, object]:
        """Which cap is too full, for how much of what."""
        gauge, units = self.gauge, self._scope.tree.units
        if gauge is None:  # granted meanwhile, by another thread
            return {"unit": "tokens", "asked": self.most[0]}
        asked = self.most[units.index(gauge.unit)]
        return {"unit": gauge.unit, "asked": asked, "left": gauge.free, "scope": gauge.path}

    def undo(self) -> None:
        if self.granted:
            self.granted.settled = _NOTHING
            self.caps.move(self.granted.units, (0,) * len(self.granted.units))
