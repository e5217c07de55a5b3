"""The owner's side of leases: parts of one scope that workers in other processes spend on their own.

A lease is a hold of the owner's ledger, so caps stay exact however many processes spend. The owner learns what became
of a lease from the workers' own `reserve` and `settle` events, in their order: a settled call moves from its worker's
lease to spent. Of a worker that is lost, calls of unknown outcome are charged in full and the rest is free again.
"""

from collections.abc import Callable, Mapping
from typing import Final

from .caps import Vector
from .cost import Cost
from .errors import BudgetExceeded
from .events import Event
from .ledger import Ledger
from .supply import Ask, Grant
from .waiters import Request

_NOTHING: Final = Cost()


class Lender:
    """Leases of one scope, by worker; from any thread. recall: called when somebody waits; may ask for idle leases."""

    def __init__(self, scope: Ledger, *, recall: Callable[[], None] = lambda: None) -> None:
        self._scope, self._recall = scope, recall
        self._leases: dict[str, Vector] = {}
        self._open: dict[tuple[str, int], Event] = {}

    @property
    def units(self) -> tuple[str, ...]:
        """The units that are capped here or above: what a worker must lease."""
        return tuple(dict.fromkeys(gauge.unit for gauge in self._scope.caps.gauges))

    def leased(self, worker: str) -> dict[str, int]:
        """What a worker may still spend."""
        with self._scope.tree.lock:
            lease = dict(zip(self._scope.tree.units.names, self._lease(worker), strict=True))
        return {unit: lease[unit] for unit in self.units}

    async def lease(self, worker: str, ask: Ask) -> Grant:
        """All that is wanted if it fits, else half of what is free, or one call in full, as while others wait.

        Waits while a call in full could fit if others settle or return; once it never can, grants what is left, if that
        is the least.
        """
        scope = self._scope
        request = _Lease(self, worker, ask, scope)
        with scope.tree.lock:
            if not (admitted := request.admit()):
                scope.tree.waiters.join(request)
        try:
            if admitted:
                return request.result()
            return await scope.tree.waiters.wait(request, scope.seconds_left(final=ask.final), self._recall)
        except BudgetExceeded as error:
            return Grant(short=(error.scope, error.unit, error.asked, error.left))
        except TimeoutError:
            return Grant(short=(scope.path, "seconds", 0, 0))

    def take(self, worker: str, event: Event) -> None:
        """What a worker told: its `reserve`, `settle` and `rebook` events; others say nothing here."""
        if event.kind == "reserve":
            with self._scope.tree.lock:
                self._open[worker, event.id] = event
        elif event.kind == "settle":
            with self._scope.tree.lock:
                reserve = self._open.pop((worker, event.parent or 0), None)
            if reserve:  # else the worker was given up, and this call charged in full
                self._charge(worker, reserve, event.cost or _NOTHING)

        elif event.kind == "rebook" and event.cost:
            role, was, now = (str(event.payload[name]) for name in ("role", "was", "now"))
            with self._scope.tree.lock:
                self._scope.bill_to(role, was, _NOTHING - event.cost)
                self._scope.bill_to(role, now, event.cost)

    def give_back(self, worker: str, units: Mapping[str, int]) -> None:
        """What a worker returns is free again."""
        with self._scope.tree.lock:
            self._release(worker, self._vector(units))

    def lost(self, worker: str) -> None:
        """A worker will say nothing more: what it had reserved is charged in full, the rest of its lease is free."""
        with self._scope.tree.lock:
            calls = [self._open.pop(key) for key in list(self._open) if key[0] == worker]
        for call in calls:
            self._charge(worker, call, call.cost or _NOTHING)
        with self._scope.tree.lock:
            self._release(worker, self._lease(worker))
            self._leases.pop(worker, None)

    def grant(self, worker: str, units: Vector) -> None:
        """Hold so much for a worker; the lock is held."""
        self._scope.caps.hold(units)
        self._leases[worker] = tuple([was + more for was, more in zip(self._lease(worker), units, strict=False)])

    def move(self, worker: str, units: Vector, used: Vector) -> bool:
        """Use so much, as far as it can out of a worker's lease; whether it was more than `units`. The lock is held."""
        lease = self._lease(worker)
        held = tuple(map(min, units, lease))
        self._leases[worker] = tuple([was - now for was, now in zip(lease, held, strict=False)])
        return self._scope.caps.move(held, used)

    def left(self, unit: str, final: bool) -> float:
        """What no call and no lease holds of a unit; the lock is held."""
        return min((g.left(final) for g in self._scope.caps.gauges if g.unit == unit), default=0)

    def _charge(self, worker: str, reserve: Event, cost: Cost) -> None:
        scope = self._scope
        units, bound = scope.tree.units.of(cost), scope.tree.units.of(reserve.cost or _NOTHING)
        with scope.tree.lock:
            self.move(worker, tuple(map(min, units, bound)), units)
            scope.bill_to(str(reserve.payload.get("role", "")), str(reserve.payload.get("purpose", "")), cost)
            scope.freed()
        if any(now > was for now, was in zip(units, bound, strict=False)):
            scope.overrun(bound, units)

    def _release(self, worker: str, units: Vector) -> None:
        self.move(worker, units, (0,) * len(units))
        self._scope.freed()

    def _lease(self, worker: str) -> Vector:
        lease, names = self._leases.get(worker, ()), self._scope.tree.units.names
        return lease + (0,) * (len(names) - len(lease))

    def _vector(self, units: Mapping[str, int]) -> Vector:
        return tuple([units.get(unit, 0) for unit in self._scope.tree.units.names])


class _Lease(Request[Grant]):
    """Some calls' worth for a worker."""

    __slots__ = ("_lender", "_scope", "_worker")

    def __init__(self, lender: Lender, worker: str, ask: Ask, scope: Ledger) -> None:
        names = scope.tree.units.names
        least, full, want = (tuple([units.get(unit, 0) for unit in names]) for units in (ask.least, ask.full, ask.want))
        super().__init__(scope.caps, want, full, least, final=ask.final)
        self._lender, self._worker, self._scope = lender, worker, scope

    def expired(self) -> BudgetExceeded | None:
        return self._scope.expired(self.final)

    def take(self, *, whole: bool) -> Grant:
        full = self.caps.fits(self.enough, self.final)
        if full and self._scope.tree.waiters.waiting:
            units = self.enough
        elif whole:
            units = self.most
        else:
            units = tuple(map(self._part if full else self._rest, self.caps.units.names, self.enough, self.most))
        self._lender.grant(self._worker, units)
        return Grant(units=dict(zip(self.caps.units.names, units, strict=False)), last=not full)

    def undo(self) -> None:
        if self.granted:
            units = tuple(self.granted.units.values())
            self._lender.move(self._worker, units, (0,) * len(units))

    def _part(self, unit: str, full: int, want: int) -> int:
        """Half of what is free, so that one worker does not take all that others could start with."""
        return max(full, min(want, int(self._lender.left(unit, self.final)) // 2))

    def _rest(self, unit: str, full: int, want: int) -> int:
        return max(0, min(full, int(self._lender.left(unit, self.final))))
