"""A run's journal as a tree: all at once, or piece by piece while another process still writes it."""

import gc
from collections.abc import Generator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from ..journal import Header, held
from ..journal.reader import Scan
from .tree import RunTree


class Source:
    """A journal that is read as it grows; nothing is read twice. Raises: JournalError where it is none, or damaged.

    behind: whether the last reading left something unread.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._scan = path, Scan(path)
        self.tree, self.behind = RunTree(path.parent.name), False

    @property
    def header(self) -> Header:
        """The journal's first line."""
        return self._scan.header

    @property
    def share(self) -> float:
        """How much of it has been read."""
        return min(1.0, self._scan.good / max(1, self.path.stat().st_size))

    def read(self, most: int | None = None) -> int:
        """Fold in what has been written since, at most so many events; how many there were. Raises: JournalError."""
        writing, number = held(self.path), self._scan.number
        with _unswept():
            for event in islice(self._scan.events(), most):
                self.tree.take(event)
        read = self._scan.number - number
        self.behind = most is not None and read >= most
        self.tree.live = writing
        return read


def load(path: Path) -> RunTree:
    """The tree of a whole journal. Raises: JournalError where it is none, or damaged."""
    source = Source(path)
    source.read()
    return source.tree


@contextmanager
def _unswept() -> Generator[None]:
    """Reading only makes what stays: looking for garbage meanwhile takes as long again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
