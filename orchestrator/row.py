"""One step as a row: its number, a bar and a name in its author's colour, what was written, its score and cost."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from rich.console import Console as Rich
from rich.text import Text

from .ink import Palette, count, dollars, folded, harmless

_NARROW: Final = 56  # below, score and cost follow the text instead of standing in columns
_WIDE: Final = 96  # from here on dollars have a column too


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What stands in a row; text is as the model wrote it.

    kept is False for a step that was thrown away, for `reason`; again: written in place of one.
    """

    label: str = ""
    author: str = ""
    text: str = ""
    kept: bool = True
    again: bool = False
    score: float | None = None
    reason: str = ""
    tokens: int | None = None
    nanodollars: int | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """How rows are laid out: alike in every run, so that columns line up."""

    rich: Rich
    palette: Palette
    signs: Mapping[str, str]

    def lines(self, row: Row, width: int, name_width: int = 6) -> list[Text]:
        """A row as lines no wider than `width`."""
        side = self._side(row, width)
        room = max(10, width - name_width - 8 - (side.cell_len + 2 if side and width >= _NARROW else 0))
        body = self._body(row)
        if width < _NARROW and side:
            body = body + Text("  ") + side
        wrapped = list(body.wrap(self.rich, room)) or [Text()]
        lines = [self._begin(row, i, name_width) + line for i, line in enumerate(wrapped)]
        if width >= _NARROW and side:
            lines[0] = lines[0] + Text(" " * (width - lines[0].cell_len - side.cell_len)) + side
        return lines + [self._begin(row, 1, name_width) + line for line in self._why(row, room)]

    def plain(self, row: Row) -> str:
        """A row as one line without colours."""
        head = " ".join(part for part in (row.label, folded(row.author)) if part)
        verdict = "rejected: " if not row.kept else "rewrite: " if row.again else ""
        facts = ", ".join(self._facts(row))
        return f"{head}: {verdict}{folded(row.text)}" + (f" ({facts})" if facts else "")

    def _begin(self, row: Row, line: int, name_width: int) -> Text:
        colour = self.palette[row.author] if row.author else "dim"
        head = Text()
        head.append(f"{row.label if line == 0 else '':>3} ", "dim")
        # a second sign beside the colour, for those who do not see it
        head.append(f"{self.signs['thin' if row.author == 'draft' else 'bar']} ", colour)
        name = folded(row.author) if line == 0 else ""
        head.append(f"{name[:name_width]:<{name_width}}  ", f"bold {colour}" if row.kept else f"dim {colour}")
        return head

    def _body(self, row: Row) -> Text:
        colour = self.palette[row.author] if row.author else ""
        body = Text()
        body.append(harmless(row.text).strip(), colour if row.kept else f"dim strike {colour}")
        return body

    def _side(self, row: Row, width: int) -> Text:
        """Score and cost, in columns of fixed width."""
        if row.tokens is None and row.score is None:
            return Text()
        mark = "rewrite" if row.again else ""
        if row.score is not None:
            mark = f"{self.signs['kept' if row.kept else 'rejected']} {row.score:.2f}"
        side = Text()
        side.append(f"{mark:<8}", "" if row.kept else "bold")
        side.append(f"{count(row.tokens or 0):>5} tok", "dim")
        if width >= _WIDE and row.nanodollars is not None:
            side.append(f"  {dollars(row.nanodollars):>10}", "dim")
        return side

    def _why(self, row: Row, room: int) -> Iterator[Text]:
        if row.reason:
            said = f"rejected: {folded(row.reason)}" if not row.kept else folded(row.reason)
            yield from Text(said, "italic").wrap(self.rich, room)

    def _facts(self, row: Row) -> Iterator[str]:
        if row.score is not None:
            yield f"score {row.score:.2f}"
        if row.reason:
            yield folded(row.reason)
        if row.tokens is not None:
            yield f"{row.tokens} tok"
        if row.nanodollars:
            yield dollars(row.nanodollars)
