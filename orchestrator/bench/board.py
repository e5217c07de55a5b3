"""What a person sees while a bench runs: the table as its intervals narrow, and a bar with the time left.

On a terminal it is drawn in place; elsewhere a line is written every few seconds, and one for each run that ends.
"""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..console.ink import count, dollars, duration, folded
from .bench import Bench
from .cell import Cell
from .metrics import Row, row
from .records import Record
from .table import interval, percent, table

EVERY_S: Final = 5.0  # between lines in a file
_PER_SECOND: Final = 2  # drawings on a terminal
_TOLD: Final = 5  # problems that failed are named one by one up to here


class Board:
    """The view of a bench. file: standard error unless told otherwise; quiet: shows nothing."""

    def __init__(
        self,
        bench: Bench,
        file: TextIO | None = None,
        *,
        quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bench, self._quiet, self._clock = bench, quiet, clock
        self._console = Console(file=file or sys.stderr, stderr=file is None)
        self._rows: dict[str, tuple[int, Row]] = {}
        self._began = self._told_at = clock()
        self._failures = 0

    @contextmanager
    def shown(self) -> Generator[None]:
        """While a bench runs."""
        if self._quiet or not self._console.is_terminal:
            yield
            return
        with Live(
            get_renderable=self.drawn,
            console=self._console,
            refresh_per_second=_PER_SECOND,
            transient=True,
            redirect_stdout=False,
        ):
            yield

    def take(self, cell: Cell, record: Record) -> None:
        """A record came."""
        if self._quiet:
            return
        if record.status == "failed":
            self._failed(cell, record)
        if self._console.is_terminal:
            return
        now = self._clock()
        if now - self._told_at >= EVERY_S or cell.prefix.done:
            self._told_at = now
            self._console.print(self.plain(cell), markup=False, highlight=False, soft_wrap=True)

    def plain(self, cell: Cell) -> str:
        """How far a run is, on a line."""
        so_far = self._row(cell.name)
        known = f", {percent(so_far.accuracy)} % right [{interval(so_far)}]" if so_far.accuracy is not None else ""
        left = self.seconds_left()
        eta = f", {duration(left)} to go" if left else ""
        done = f"{len(cell.prefix.records) + cell.prefix.beyond}/{len(cell.problems)}"
        return f"{folded(cell.name)} seed {cell.seed}: {done}{known}{eta}"

    def drawn(self) -> RenderableType:
        """The table so far, and the bar."""
        running = next((cell.name for cell in self._bench.cells if cell.running), "")
        width = self._console.width
        unicode = (self._console.encoding or "").lower().startswith("utf")
        rows = [self._row(name) for name in self._bench.asked.recipes]
        return Group(table(rows, width=width, running=running, unicode=unicode), self._bar(width))

    def seconds_left(self) -> float:
        """By what a problem took so far in the same recipe, or else in the others."""
        elapsed, cells = self._clock() - self._began, self._bench.cells
        fresh = sum(cell.fresh for cell in cells)
        if not fresh:
            return 0.0
        paces = {name: one.seconds for name in self._bench.asked.recipes if (one := self._row(name)).n}
        usual = sum(cell.fresh * paces.get(cell.name, 0.0) for cell in cells) / fresh
        if not usual:
            return 0.0
        # a problem's own seconds count those of the others beside it: the ratio to the clock takes that out
        weighed = sum(self._left(cell) * paces.get(cell.name, usual) / usual for cell in cells)
        return elapsed / fresh * weighed

    def _left(self, cell: Cell) -> int:
        return 0 if cell.prefix.done else len(cell.problems) - len(cell.prefix.records) - cell.prefix.beyond

    def _row(self, name: str) -> Row:
        """A recipe's figures; worked out anew only when a record came."""
        records = [one for cell in self._bench.cells if cell.name == name for one in cell.prefix.records]
        known = self._rows.get(name)
        if known is None or known[0] != len(records):
            known = self._rows[name] = len(records), row(name, records)
        return known[1]

    def _bar(self, width: int) -> RenderableType:
        cells = self._bench.cells
        whole = sum(len(cell.problems) for cell in cells)
        done = whole - sum(map(self._left, cells))
        left = self.seconds_left()
        spent = self._spent()
        said = Text(f" {done}/{whole}  {done / whole:.0%}  {spent}" + (f"  {duration(left)} to go" if left else ""))
        grid = Table.grid(expand=False)
        grid.add_row(ProgressBar(total=whole, completed=done, width=max(10, min(60, width - said.cell_len - 2))), said)
        return grid

    def _spent(self) -> str:
        """Tokens and dollars of what is in the table so far."""
        rows = [one for name in self._bench.asked.recipes if (one := self._row(name)).n]
        tries = {name: sum(len(c.prefix.records) for c in self._bench.cells if c.name == name) for name in self._rows}
        paid = sum((one.dollars or 0.0) * tries[one.recipe] for one in rows)
        told = [f"{count(sum(one.spent * tries[one.recipe] for one in rows))} tok"]
        return ", ".join([*told, *([dollars(paid * 1e9)] if paid else [])])

    def _failed(self, cell: Cell, record: Record) -> None:
        self._failures += 1
        if self._failures <= _TOLD:
            said = f"{cell.name}: problem {record.problem} failed: {record.reason}"
            self._console.print(folded(said), style="italic", markup=False, highlight=False)
        elif self._failures == _TOLD + 1:
            self._console.print("further problems that failed are not named here", style="italic")
