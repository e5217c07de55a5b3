"""What interruptions cost: calls of a problem that a crash undid, and that were made again afterwards.

A recipe's price is what its problems cost when nothing interrupts them, so that a bench that was killed and resumed
shows the same table. What the crash cost was paid all the same; it is told beside the table, never left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...budget.cost import Cost
from ...budget.events import Event

Bill = Mapping[tuple[str, str], Cost]
_NOTHING = Cost()


@dataclass(slots=True)
class _Tries:
    """A problem as it is tried: calls by place, and the places whose answers a later try is given again."""

    calls: list[tuple[str, str, str, Cost]] = field(default_factory=list[tuple[str, str, str, Cost]])
    stands: dict[str, bool] = field(default_factory=dict[str, bool])  # by path: whether it is an answer
    lost: dict[tuple[str, str], Cost] = field(default_factory=dict[tuple[str, str], Cost])
    ended: bool = False

    def again(self) -> None:
        """It begins anew: what nothing stands for was spent in vain."""
        standing = [path for path, answered in self.stands.items() if answered or not self.ended]
        kept = [call for call in self.calls if any(_within(call[0], path) for path in standing)]
        for path, role, purpose, cost in self.calls:
            if not any(_within(path, stands) for stands in standing):
                self.lost[role, purpose] = self.lost.get((role, purpose), _NOTHING) + cost
        self.calls, self.ended = kept, False


class Lost:
    """A sink that finds what each problem's interruptions cost, from the events of every process in order."""

    streaming = False

    def __init__(self) -> None:
        self._problems: dict[str, _Tries] = {}

    def at(self, place: str) -> Bill:
        """What the problem at a place lost, by model and purpose."""
        tries = self._problems.get(place)
        return tries.lost if tries else {}

    def write(self, event: Event) -> None:
        """Take one event."""
        place = event.path.partition("/")[0]
        if event.kind == "problem_start":
            self._problems.setdefault(place, _Tries()).again()
        elif event.kind == "problem_end":
            self._problems.setdefault(place, _Tries()).ended = True
        elif event.kind in ("settle", "rebook") and event.cost:
            self._spent(place, event, event.cost)
        elif event.kind in ("answer", "node_end") and "asked" in event.payload:
            answered = event.payload.get("status") == "answered"
            self._problems.setdefault(place, _Tries()).stands[event.path] = answered

    async def flush(self) -> None:
        """Nothing here is durable."""

    def _spent(self, place: str, event: Event, cost: Cost) -> None:
        told, calls = event.payload, self._problems.setdefault(place, _Tries()).calls
        role = str(told.get("role", ""))
        if event.kind == "settle":
            calls.append((event.path, role, str(told.get("purpose", "")), cost))
        else:
            calls.append((event.path, role, str(told.get("was", "")), _NOTHING - cost))
            calls.append((event.path, role, str(told.get("now", "")), cost))


def _within(path: str, scope: str) -> bool:
    return path == scope or path.startswith(f"{scope}/")
