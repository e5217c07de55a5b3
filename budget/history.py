"""What earlier processes of a run spent, scope by scope, read from its events: what a resumed ledger begins with."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .cost import Cost
from .events import Event

Bill = dict[tuple[str, str], Cost]
_NOTHING = Cost()


@dataclass(slots=True)
class Spent:
    """One scope and all below it: the bill by role and purpose, and how long it has been at work."""

    bill: Bill = field(default_factory=Bill)
    seconds: float = 0.0

    def add(self, role: str, purpose: str, cost: Cost) -> None:
        self.bill[role, purpose] = self.bill.get((role, purpose), _NOTHING) + cost


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What was spent at each path and below; "" is the whole run.

    open: reserves whose outcome nobody knows, by the id of their event. They are charged in full.
    """

    scopes: dict[str, Spent] = field(default_factory=dict[str, Spent])
    open: dict[int, Event] = field(default_factory=dict[int, Event])

    def at(self, path: str) -> Spent | None:
        """What a scope and all below it have spent; None where nothing ever happened."""
        return self.scopes.get(path)

    @property
    def unknown(self) -> frozenset[str]:
        """The scopes that hold a call of unknown outcome, those above them included."""
        return frozenset(path for event in self.open.values() for path in _upwards(event.path))

    @classmethod
    def of(cls, events: Iterable[Event]) -> "History":
        """Read a run's events in order. The time between two processes (`run_start`) counts for no scope."""
        history, seen = cls(), dict[str, float]()
        for event in events:
            if event.kind == "run_start":
                seen.clear()
            history._take(event)
            history._age(event, seen)
        for event in history.open.values():
            history._spend(event, event.cost or _NOTHING)
        return history

    def _take(self, event: Event) -> None:
        if event.kind == "reserve":
            self.open[event.id] = event
        elif event.kind == "settle":
            self.open.pop(event.parent or 0, None)
            self._spend(event, event.cost or _NOTHING)
        elif event.kind == "rebook" and event.cost:
            role, was, now = (str(event.payload[name]) for name in ("role", "was", "now"))
            for path in _upwards(event.path):
                spent = self.scopes.setdefault(path, Spent())
                spent.add(role, was, _NOTHING - event.cost)
                spent.add(role, now, event.cost)

    def _spend(self, event: Event, cost: Cost) -> None:
        role, purpose = str(event.payload.get("role", "")), str(event.payload.get("purpose", ""))
        for path in _upwards(event.path):
            self.scopes.setdefault(path, Spent()).add(role, purpose, cost)

    def _age(self, event: Event, seen: dict[str, float]) -> None:
        """Each scope's time from its first event in a process to its last."""
        for path in _upwards(event.path):
            before = seen.get(path)
            if before is not None:
                self.scopes.setdefault(path, Spent()).seconds += event.t - before
            seen[path] = event.t


def _upwards(path: str) -> Iterator[str]:
    """The path, every path above it, and "" for the whole run; the root scope's own path `run` is that too."""
    if path != "run":
        while path:
            yield path
            path = path.rpartition("/")[0]
    yield ""
