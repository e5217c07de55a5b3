"""Reads a journal: what passes its checksums is what was written, from the first line on, and nothing else.

A last line that is torn, as a crash leaves it, is cut off and said. A line that is damaged with whole lines after it is
no crash's work, and is refused.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from ...budget.events import Event
from ..errors import JournalError
from .lines import Header, checked, claimed, event_of, header_of, reckoned
from .lock import held

_POLL_S: Final = 0.05
_NEAR: Final = 4  # lines before a line that it may follow on from, where lines have changed places


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a journal holds; torn: bytes of a last line that was never finished, and are left out."""

    header: Header
    events: list[Event]
    torn: int


@dataclass(slots=True)
class Scan:
    """One pass over a journal's lines. `good` bytes passed, `crc` is the last line's, `torn` bytes did not pass.

    Raises: JournalError when the file is no journal.
    """

    path: Path
    salvage: bool = False
    good: int = 0
    crc: int = 0
    torn: int = 0
    number: int = 0
    header: Header = field(init=False)

    def __post_init__(self) -> None:
        with self._open() as file:
            line = file.readline()
        self.header = header_of(line, self.path)
        self._passed(line, checked(line, 0) or 0)

    def events(self) -> Iterator[Event]:
        """The events from where the scan stands; a torn end is skipped. Raises: JournalError where it is damaged."""
        with self._open() as file:
            file.seek(self.good)
            for line in file:
                if (crc := checked(line, self.crc)) is None:
                    self._stop(line, file)
                    return
                self._passed(line, crc)
                yield self._event(line)

    def _passed(self, line: bytes, crc: int) -> None:
        self.good, self.crc, self.number = self.good + len(line), crc, self.number + 1

    def _event(self, line: bytes) -> Event:
        try:
            return event_of(line)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            hint = "read it with the headgate that wrote it"
            raise JournalError("holds no event", file=self.path, line=self.number, hint=hint) from error

    def _stop(self, line: bytes, file: BinaryIO) -> None:
        """Tell a torn end from damage: after damage there are lines that follow on from each other."""
        self.torn = len(line)
        if not line.endswith(b"\n"):
            return  # and what comes now is the rest of it, from a live writer
        seeds = [reckoned(line, self.crc), claimed(line)]
        for number, after in enumerate(file, start=self.number + 2):
            self.torn += len(after)
            if not self.salvage and any(checked(after, seed) is not None for seed in seeds if seed is not None):
                lost = f"is damaged, and line {number} after it is whole"
                hint = f"put it back from a copy, or keep the {self.number} lines before it by `head -n {self.number}`"
                raise JournalError(lost, file=self.path, line=self.number + 1, hint=hint)
            seeds = [*seeds, claimed(after)][-_NEAR:]

    def _open(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise JournalError(f"cannot be read: {error.strerror}", file=self.path, hint="choose a journal") from error


def read(path: Path, *, salvage: bool = False) -> Reading:
    """Everything in a journal, also while it is being written; with `salvage`, all before the first damage.

    Raises: JournalError when it is none, of another format, or damaged.
    """
    scan = Scan(path, salvage=salvage)
    events = list(scan.events())
    return Reading(header=scan.header, events=events, torn=scan.torn)


def follow(path: Path, stop: threading.Event | None = None) -> Iterator[Event]:
    """The events of a journal as another process writes them, from the first; ends when no process writes it.

    Blocks between them: call it in a thread, and set `stop` to end it. Raises: JournalError as `read`.
    """
    scan, stop = Scan(path), stop or threading.Event()
    while not stop.is_set():
        writing, before = held(path), scan.good
        yield from scan.events()
        if not writing and scan.good == before:
            return
        stop.wait(_POLL_S)
