"""The ledger: reserve a bound, bind the call to what was granted, settle what it cost; no cap is ever passed.

A call reserves its dearest outcome in its scope and in every scope above, atomically (no await between check and
hold). What it is granted becomes its `max_tokens`, so the engine enforces our number. Only calls hold; nobody holds
while waiting for another reservation, so waiting cannot deadlock. A reservation

- is granted in full when it fits beside all that is held;
- waits, first come first served but letting smaller ones pass, when it would fit if others settle below their bounds;
- is shrunk to what is left, and bound to it, when its full bound can never fit but `least` tokens still can;
- is refused when not even that can ever fit: spent only grows.

Part of a scope may be an answer reserve, which only `final` calls touch, so that a run ends with an answer. At the
deadline nothing more leaves. A hold whose outcome is unknown is charged in full.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Self

from .cost import Cost, Limits
from .errors import BudgetExceeded
from .events import Kind, Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The dearest outcome of a call that generates at most n tokens, `least` <= n <= `most`; `cost` grows with n."""

    cost: Callable[[int], Cost]
    most: int = 0
    least: int = 0

    @classmethod
    def fixed(cls, cost: Cost) -> Self:
        """A call that cannot be shrunk, such as a tool's."""
        return cls(cost=lambda _: cost)


class Hold:
    """What one call may spend, held in its scope and all above until it settles."""

    __slots__ = ("_scope", "bound", "id", "purpose", "role", "settled", "shrunk", "tokens")

    def __init__(self, scope: "Ledger", bound: Bound, tokens: int) -> None:
        self._scope, self.tokens, self.shrunk = scope, tokens, tokens < bound.most
        self.bound = bound.cost(tokens)
        self.settled: Cost | None = None
        self.id, self.role, self.purpose = 0, "", ""

    def settle(self, actual: Cost | None, **payload: object) -> Cost:
        """Charge what the call cost, or the whole bound where nobody knows (None); a second time does nothing."""
        if self.settled is None:
            self.settled = self.bound if actual is None else actual
            self._scope.charge(self, self.settled, unmeasured=actual is None, **payload)
        return self.settled

    def release(self) -> None:
        """Give back a hold whose call never left."""
        if self.settled is None:
            self.settled = Cost()
            self._scope.give_back(self)


@dataclass(slots=True)
class _Waiter:
    scope: "Ledger"
    bound: Bound
    final: bool
    granted: asyncio.Future[Hold]


@dataclass(slots=True)
class _Queue:
    """The waiters of a whole tree of scopes, in order of arrival."""

    waiters: list[_Waiter] = field(default_factory=list["_Waiter"])


class Ledger:
    """One scope of a tree of budgets; `scope` opens another below it."""

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        name: str = "run",
        parent: "Ledger | None" = None,
        answer_reserve: float = 0.0,
        trace: Trace | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        limits = limits or Limits()
        if not 0 <= answer_reserve < 1:
            raise ValueError(f"an answer reserve is a share from 0 to below 1, such as 5%; found {answer_reserve}")
        self.parent = parent
        self.path: str = f"{parent.path}/{name}" if parent and parent.parent else name
        self.spent = Cost()
        self._caps = limits.caps()
        self._used = dict.fromkeys(self._caps, 0)
        self.bill: dict[tuple[str, str], Cost] = {}
        share = 1 - Fraction(str(answer_reserve))
        self._ordinary = {unit: math.floor(cap * share) for unit, cap in self._caps.items()}
        self._queue: _Queue = parent._queue if parent else _Queue()
        self._trace: Trace = trace or (parent._trace if parent else Trace())
        self._clock: Callable[[], float] = parent._clock if parent else clock
        self._held: dict[str, int] = dict.fromkeys(self._caps, 0)
        now, span = self._clock(), limits.seconds if limits.seconds is not None else math.inf
        self.deadline: float = min(now + span, parent.deadline if parent else math.inf)
        ordinary = now + span * float(share) if span < math.inf else math.inf
        self._ordinary_deadline: float = min(ordinary, parent._ordinary_deadline if parent else math.inf)

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
        """What may still be reserved of a unit, as `Cost.units` names it; infinite where nothing limits it."""
        rooms = [s._room(unit, final, held=True) for s in self.chain() if unit in s._caps]
        return min(rooms, default=math.inf)

    def seconds_left(self, *, final: bool = True) -> float:
        """Until nothing more may leave; infinite without a deadline."""
        return (self.deadline if final else self._ordinary_deadline) - self._clock()

    @property
    def held(self) -> dict[str, int]:
        """What open calls hold of each capped unit."""
        return dict(self._held)

    def spent_by_role(self) -> dict[str, Cost]:
        """What each role cost, all purposes together, in order of first use."""
        roles: dict[str, Cost] = {}
        for (role, _), cost in self.bill.items():
            roles[role] = roles.get(role, Cost()) + cost
        return roles

    def rebook(self, cost: Cost, role: str, was: str, now: str) -> None:
        """Move what was spent from one purpose to another, such as from think to wasted; no total changes."""
        for scope in self.chain():
            scope.bill[role, was] = scope.bill[role, was] - cost
            scope.bill[role, now] = scope.bill.get((role, now), Cost()) + cost

    async def reserve(
        self, bound: Bound, *, role: str = "", purpose: str = "", final: bool = False, durable: bool = False
    ) -> Hold:
        """Hold a bound before a call leaves; `durable` waits until the record of it is.

        role and purpose say who spends on what: the key of `bill`. final: may use the answer reserve.

        Raises: BudgetExceeded when not even `bound.least` tokens can ever fit, or past the deadline.
        """
        try:
            hold = self._admit(bound, final) or await self._wait(bound, final)
        except BudgetExceeded as error:
            self._told("refuse", role, purpose, unit=error.unit, asked=error.asked, left=error.left)
            raise
        hold.role, hold.purpose = role, purpose
        hold.id = self._told("reserve", role, purpose, cost=hold.bound, tokens=hold.tokens, shrunk=hold.shrunk)
        if durable:
            await self._flush(hold, final)
        return hold

    def charge(self, hold: Hold, actual: Cost, **payload: object) -> None:
        """Move a hold to spent in every scope; `Hold.settle` calls it once."""
        self._move(hold, actual)
        self._told("settle", hold.role, hold.purpose, parent=hold.id, cost=actual, **payload)
        self._pump()

    def give_back(self, hold: Hold) -> None:
        """Undo a hold; `Hold.release` calls it once. What a record was made of is settled at nothing."""
        held = hold.bound.units()
        for scope in self.chain():
            for unit in scope._caps:
                scope._held[unit] -= held.get(unit, 0)
        self._pump()
        if hold.id:
            self._told("settle", hold.role, hold.purpose, parent=hold.id, cost=Cost(), stop="released")

    # -- admission --------------------------------------------------------------------------------------------

    def _admit(self, bound: Bound, final: bool) -> Hold | None:
        """A hold, or None to wait. Raises: BudgetExceeded."""
        self._check_deadline(final)
        if not self._short(bound.cost(bound.most), final):
            return self._hold(bound, bound.most)
        if short := self._short(bound.cost(bound.least), final, held=False):
            raise short
        if not self._short(bound.cost(bound.most), final, held=False):
            return None
        tokens = self._largest(bound, final)
        return self._hold(bound, tokens) if tokens is not None else None

    def _largest(self, bound: Bound, final: bool) -> int | None:
        """The most tokens that fit beside what is held, by bisection; None when fewer than `least` do."""
        if self._short(bound.cost(bound.least), final):
            return None
        low, high = bound.least, bound.most
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._short(bound.cost(middle), final) else (middle, high)
        return low

    def _short(self, cost: Cost, final: bool, *, held: bool = True) -> BudgetExceeded | None:
        """The first unit, from here up, that a cost does not fit in, beside or without what is held."""
        units = cost.units()
        for scope in self.chain():
            for unit in scope._caps:
                asked, room = units.get(unit, 0), scope._room(unit, final, held=held)
                if asked > room:
                    return BudgetExceeded(scope.path, unit, asked, max(0, room))
        return None

    def _room(self, unit: str, final: bool, *, held: bool) -> int:
        cap = self._caps[unit] if final else self._ordinary[unit]
        return cap - self._used[unit] - (self._held[unit] if held else 0)

    def _hold(self, bound: Bound, tokens: int) -> Hold:
        hold = Hold(self, bound, tokens)
        units = hold.bound.units()
        for scope in self.chain():
            for unit in scope._caps:
                scope._held[unit] += units.get(unit, 0)
        return hold

    def _move(self, hold: Hold, actual: Cost) -> None:
        held, used = hold.bound.units(), actual.units()
        for scope in self.chain():
            scope.spent += actual
            key = (hold.role, hold.purpose)
            scope.bill[key] = scope.bill.get(key, Cost()) + actual
            for unit in scope._caps:
                scope._held[unit] -= held.get(unit, 0)
                scope._used[unit] += used.get(unit, 0)
                if scope._used[unit] > scope._caps[unit]:
                    self._overrun(scope, unit)

    def _check_deadline(self, final: bool) -> None:
        if (left := self.seconds_left(final=final)) <= 0:
            raise BudgetExceeded(self.path, "seconds", 0, left)

    # -- waiting ----------------------------------------------------------------------------------------------

    async def _wait(self, bound: Bound, final: bool) -> Hold:
        waiter = _Waiter(self, bound, final, asyncio.get_running_loop().create_future())
        self._queue.waiters.append(waiter)
        self._trace.emit("wait", self.path, asked=bound.cost(bound.most).tokens)
        left = self.seconds_left(final=final)
        try:
            async with asyncio.timeout(left if left < math.inf else None):
                return await waiter.granted
        except BaseException as error:
            self._leave(waiter)
            if isinstance(error, TimeoutError):
                raise BudgetExceeded(self.path, "seconds", 0, 0) from None
            raise

    def _leave(self, waiter: _Waiter) -> None:
        """Out of the queue; a grant that came too late to be taken goes back."""
        granted = waiter.granted
        if waiter in self._queue.waiters:
            self._queue.waiters.remove(waiter)
        elif granted.done() and not granted.cancelled() and granted.exception() is None:
            granted.result().release()
        self._pump()

    def _pump(self) -> None:
        """Admit, in order of arrival, every waiter that now fits; fail those that never will."""
        for waiter in list(self._queue.waiters):
            if waiter.granted.done():
                continue
            try:
                hold = waiter.scope._admit(waiter.bound, waiter.final)
            except BudgetExceeded as error:
                waiter.granted.set_exception(error)
            else:
                if hold is None:
                    continue
                waiter.granted.set_result(hold)
            self._queue.waiters.remove(waiter)

    async def _flush(self, hold: Hold, final: bool) -> None:
        try:
            await self._trace.flush()
            self._check_deadline(final)
        except BaseException:
            hold.release()
            raise

    def _told(
        self,
        kind: Kind,
        role: str,
        purpose: str,
        *,
        parent: int | None = None,
        cost: Cost | None = None,
        **payload: object,
    ) -> int:
        return self._trace.emit(kind, self.path, parent=parent, cost=cost, role=role, purpose=purpose, **payload)

    def _overrun(self, scope: "Ledger", unit: str) -> None:
        """A provider generated more than it was bound to: told, never hidden; the next admission is refused."""
        left = scope._caps[unit] - scope._used[unit]
        self._trace.emit("overrun", scope.path, unit=unit, asked=scope._used[unit], left=left)
