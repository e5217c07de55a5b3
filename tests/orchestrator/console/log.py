"""Events as a run would tell them."""

from collections.abc import Callable

from headgate.budget.cost import Cost
from headgate.budget.events import Event, Kind


class Log:
    """Makes events, numbered from 1, a tenth of a second apart."""

    def __init__(self, write: Callable[[Event], None]) -> None:
        self._write, self._last = write, 0

    def tell(
        self, kind: Kind, path: str, parent: int | None = None, cost: Cost | None = None, **payload: object
    ) -> int:
        self._last += 1
        t = self._last / 10
        self._write(Event(id=self._last, parent=parent, path=path, kind=kind, t=t, cost=cost, payload=payload))
        return self._last
