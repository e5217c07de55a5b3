"""Which beginnings of texts an engine may still hold in its prefix cache, as far as one can know from outside."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence


class Held:
    """Chained hashes of the blocks of all texts read or written of late; forgets the oldest, after the engine does."""

    def __init__(self, block: int, capacity: int) -> None:
        self.block, self._capacity = block, capacity
        self._known: OrderedDict[int, None] = OrderedDict()

    def clear(self) -> None:
        """The engine's cache was emptied."""
        self._known.clear()

    def add(self, ids: Sequence[int]) -> None:
        """These tokens were read."""
        for mark in self._chain(ids):
            self._known[mark] = None
            self._known.move_to_end(mark)
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)

    def reach(self, ids: Sequence[int]) -> int:
        """How many of these tokens, at most, the cache gives to a prompt of them; the last one is always read."""
        found = 0
        for count, mark in enumerate(self._chain(ids[:-1]), 1):
            if mark not in self._known:
                break
            found = count * self.block
        return found

    def _chain(self, ids: Sequence[int]) -> Iterator[int]:
        mark = 0
        for start in range(0, len(ids) - self.block + 1, self.block):
            mark = hash((mark, tuple(ids[start : start + self.block])))
            yield mark
