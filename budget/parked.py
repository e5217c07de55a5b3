"""Who waits for one cap, in order of arrival, kept so that the first who fits is found among thousands who do not."""

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .waiters import Request

_BITS: Final = 7  # 128 arrivals stand in one block


class _Block:
    """Some that arrived one after another. low and high bound what they need; they may lie too far out."""

    __slots__ = ("high", "low", "requests")

    def __init__(self) -> None:
        self.requests: list[Request[Any]] = []
        self.low = self.high = 0

    def measure(self) -> None:
        needs = [request.need for request in self.requests]
        self.low, self.high = min(needs), max(needs)


class Parked:
    """A queue in blocks: a block whose smallest need does not fit is passed over as a whole."""

    __slots__ = ("_blocks", "_order")

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}
        self._order: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._order)

    def head(self) -> "Request[Any] | None":
        """Who waits here longest."""
        return self._blocks[self._order[0]].requests[0] if self._order else None

    def add(self, request: "Request[Any]") -> None:
        place, need = request.arrival >> _BITS, request.need
        block = self._blocks.get(place)
        if block is None:
            block = self._blocks[place] = _Block()
            block.low = block.high = need
            insort(self._order, place)
        block.low, block.high = min(block.low, need), max(block.high, need)
        insort(block.requests, request, key=arrival)

    def remove(self, request: "Request[Any]") -> None:
        place = request.arrival >> _BITS
        requests = self._blocks[place].requests
        del requests[bisect_left(requests, request.arrival, key=arrival)]
        if not requests:
            del self._blocks[place]
            del self._order[bisect_left(self._order, place)]

    def first(self, free: int, room: float) -> "Request[Any] | None":
        """Who waits here longest of those who fit in `free` by now, or will never fit in `room`."""
        for place in self._order:
            block = self._blocks[place]
            if block.low <= free or block.high > room:
                for request in block.requests:
                    if request.need <= free or request.need > room:
                        return request
                block.measure()
        return None


def arrival(request: "Request[Any]") -> int:
    """The order in which requests are served."""
    return request.arrival
