"""How far a run has come: its records in the problems' order, up to the first that is missing.

A run that ends early ends at such a beginning, so that what recipes have in common is a beginning too, and pairs are
exact. Where it ends follows from the records alone, whichever came first.
"""

from collections.abc import Sequence

from ..intervals import wilson
from .records import Record


class Prefix:
    """The records of one run. until_width: it is done once the Wilson interval of its accuracy is narrower."""

    def __init__(self, order: Sequence[str], until_width: float | None = None) -> None:
        self._order, self._until_width = order, until_width
        self._early: dict[str, Record | None] = {}
        self.records: list[Record] = []
        self.refused = False  # whether the next one met the end of the bench's budget
        self._right = 0
        self.narrow = False

    def add(self, problem: str, record: Record | None) -> None:
        """Take a problem's record; None for one that the bench's budget did not let end."""
        self._early[problem] = record
        while not self.done and not self.refused and (name := self._order[len(self.records)]) in self._early:
            self._append(self._early.pop(name))

    @property
    def done(self) -> bool:
        """Whether nothing more is wanted of this run."""
        return self.narrow or len(self.records) == len(self._order)

    @property
    def beyond(self) -> int:
        """Problems that ended, and are not part of the beginning."""
        return len(self._early)

    def _append(self, record: Record | None) -> None:
        if record is None:
            self.refused = True
            return
        self.records.append(record)
        self._right += bool(record.correct)
        if self._until_width is not None:
            low, high = wilson(self._right, len(self.records))
            self.narrow = high - low < self._until_width
