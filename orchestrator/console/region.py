"""A few live lines at the bottom of a terminal: what is finished scrolls away above them, each change is one write."""

import os
import shutil
from collections.abc import Callable, Sequence
from typing import Any, Final, TextIO

from rich.console import Console as Rich
from rich.text import Text

from .line import Line

_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_REST, _CLEAR = "\x1b[K", "\x1b[J"  # of the line, of the screen
# terminals that know it show what is between at once; the others ignore it
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
WIDEST: Final = 120  # longer lines are hard to read


class Region:
    """Draws permanent lines and, below them, live ones in place of those drawn before."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self._rich = Rich(file=file, force_terminal=True)
        self._codes: dict[str, tuple[str, str]] = {"": ("", "")}
        self._drawn: list[int] = []
        self._last = ""

    def size(self) -> tuple[int, int]:
        """Columns to write in and rows of the terminal, as it is now."""
        columns, rows = _terminal_size(self.file)
        return max(20, min(columns, WIDEST) - 1), rows

    def draw(self, above: Sequence[Line], live: Sequence[Line]) -> None:
        """Replace the live lines; nothing is written where nothing changed."""
        block = self._ansi(live)
        if not above and block == self._last:
            return
        printed = self._ansi(above) + "\n" if above else ""
        # written over, never cleared first: also a terminal that shows what is between sees no empty line
        text = (printed + block).replace("\n", _REST + "\n")
        self.file.write(f"{_BEGIN}{_HIDE}{self._back()}{text}{_CLEAR}{_END}")
        self.file.flush()
        self._drawn, self._last = [line.cell_len for line in live], block

    def close(self) -> None:
        """Take the live lines away and give the cursor back."""
        self.file.write(f"{self._back()}{_CLEAR}{_SHOW}")
        self.file.flush()
        self._drawn, self._last = [], ""

    def _ansi(self, lines: Sequence[Line]) -> str:
        return "\n".join("".join(self._styled(*part) for part in line.parts) for line in lines)

    def _styled(self, text: str, style: str) -> str:
        if style not in self._codes:
            with self._rich.capture() as captured:
                self._rich.print(Text("|", style), end="")
            before, _, after = captured.get().partition("|")
            self._codes[style] = before, after
        before, after = self._codes[style]
        return f"{before}{text}{after}"

    def _back(self) -> str:
        """Back to where the live lines began; a terminal that became narrower has wrapped the longer ones."""
        columns, screen = _terminal_size(self.file)
        rows = sum(max(1, -(-cells // columns)) for cells in self._drawn)
        up = min(rows, screen) - 1
        return "\r" + (f"\x1b[{up}A" if up > 0 else "")


class Aside:
    """Stands in for a stream while live lines are shown: what others write there goes to `tell`, in lines."""

    def __init__(self, file: TextIO, tell: Callable[[str], None]) -> None:
        self.file, self._tell, self._rest = file, tell, ""

    def write(self, text: str) -> int:
        """Tell whole lines; the rest waits for its end."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._tell(line)
        return len(text)

    def flush(self) -> None:
        """Nothing: a line is told when it ends."""

    def close(self) -> None:
        """Tell a line that never ended."""
        if self._rest:
            self.write("\n")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def _terminal_size(file: TextIO) -> tuple[int, int]:
    try:
        columns, rows = os.get_terminal_size(file.fileno())
    except (OSError, ValueError):
        columns, rows = shutil.get_terminal_size()
    return columns or 80, rows or 24
