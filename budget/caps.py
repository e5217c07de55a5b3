"""How much of each cap is used and held: the figures that a reservation is checked against, as plain integers."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from .cost import Cost
from .errors import BudgetExceeded
from .parked import Parked

if TYPE_CHECKING:
    from .waiters import Request

# what a cost comes to in each unit that somebody may cap, in the order of `Units.names`
Vector = tuple[int, ...]
PLAIN: Final = ("tokens", "output", "nanodollars", "tool_calls")


class Units:
    """The units that one tree of scopes counts: four plain ones, and tools by name once a scope caps them."""

    __slots__ = ("_tools", "names")

    def __init__(self) -> None:
        self.names: list[str] = list(PLAIN)
        self._tools: tuple[str, ...] = ()

    def index(self, unit: str) -> int:
        """Where a unit stands in a vector; a tool's name is counted from the first time that it is asked for."""
        if unit not in self.names:
            self.names.append(unit)
            self._tools = tuple(name.partition(".")[2] for name in self.names[len(PLAIN) :])
        return self.names.index(unit)

    def of(self, cost: Cost) -> Vector:
        """A cost in these units."""
        tools = cost.tool_calls
        plain = (cost.tokens, cost.output, cost.nanodollars, sum(tools.values()) if tools else 0)
        return plain + tuple([tools.get(name, 0) for name in self._tools]) if self._tools else plain


class Gauge:
    """One cap of one scope. room: what is not used yet; free: the part of it that no open call holds.

    kept: the part of either that only final calls may use. leased: whether there may be more room than is known here.
    parked: who waits for this cap.
    """

    __slots__ = ("cap", "free", "kept", "leased", "parked", "path", "room", "unit")

    def __init__(self, path: str, unit: str, cap: int, kept: int, used: int = 0, *, leased: bool = False) -> None:
        self.path, self.unit, self.cap, self.kept, self.leased = path, unit, cap, kept, leased
        self.room = self.free = cap - used
        self.parked = Parked()

    def left(self, final: bool, *, held: bool = True) -> int:
        """What of it may still be reserved, beside or without what is held."""
        return (self.free if held else self.room) - (0 if final else self.kept)

    def first(self) -> "Request[Any] | None":
        """Who waits here longest and either fits by now or never will."""
        return self.parked.first(self.free, math.inf if self.leased else self.room)


class Caps:
    """The caps that a call in one scope must respect: those of its scope, then of each scope above.

    Whoever calls holds the lock of the tree.
    """

    __slots__ = ("by_unit", "gauges", "indexed", "keeps", "units")

    def __init__(self, gauges: tuple[Gauge, ...], units: Units) -> None:
        self.gauges, self.units = gauges, units
        self.keeps = any(gauge.kept for gauge in gauges)
        self.by_unit = tuple(tuple(gauge for gauge in gauges if gauge.unit == unit) for unit in units.names)
        self.indexed = tuple((units.index(gauge.unit), gauge) for gauge in gauges)

    def fits(self, units: Vector, final: bool) -> bool:
        """Whether so much fits beside all that is held."""
        for index, gauge in self.indexed:
            if units[index] > gauge.free:
                return False
        return final or not self.keeps or not self.short(units, final)

    def short(self, units: Vector, final: bool, *, held: bool = True) -> Gauge | None:
        """The first cap, from here up, that so much does not fit in, beside or without what is held."""
        return next((gauge for gauge, asked in self._asked(units) if asked > gauge.left(final, held=held)), None)

    def refusal(self, units: Vector, final: bool) -> BudgetExceeded | None:
        """Why so much can never fit, whatever others settle at; None where it still may."""
        for gauge, asked in self._asked(units):
            if not gauge.leased and asked > (room := gauge.left(final, held=False)):
                return BudgetExceeded(gauge.path, gauge.unit, asked, max(0, room))
        return None

    def need(self, units: Vector, gauge: Gauge, final: bool) -> int:
        """What must be free of one cap for so much to fit in it."""
        return units[self.units.index(gauge.unit)] + (0 if final else gauge.kept)

    def hold(self, units: Vector) -> None:
        """Set so much aside."""
        for index, gauge in self.indexed:
            gauge.free -= units[index]

    def move(self, held: Vector, used: Vector) -> bool:
        """Use so much of what was held and free the rest; whether more was used than held."""
        over = False
        for was, now, gauges in zip(held, used, self.by_unit, strict=False):
            if was or now:
                freed = was - now
                over = over or freed < 0
                for gauge in gauges:
                    gauge.free += freed
                    gauge.room -= now
        return over

    def _asked(self, units: Vector) -> Iterator[tuple[Gauge, int]]:
        return ((gauge, units[self.units.index(gauge.unit)]) for gauge in self.gauges)
