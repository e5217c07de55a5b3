"""One step as a row: its number, a bar and a name in its author's colour, what was written, its score and cost."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from rich.cells import set_cell_size

from .ink import Palette, count, dollars, folded, harmless
from .line import Line, wrapped

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
    signal: str = ""
    reason: str = ""
    tokens: int | None = None
    nanodollars: int | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """How rows are laid out: alike in every run, so that columns line up."""

    palette: Palette
    signs: Mapping[str, str]

    def lines(self, row: Row, width: int, name_width: int = 6) -> list[Line]:
        """A row as lines no wider than `width`."""
        side, name_width = self._side(row, width), min(name_width, width // 4)
        beside = side.parts != [] and width >= _NARROW
        room = max(2, width - name_width - 8 - (side.cell_len + 2 if beside else 0))
        colour = self.palette[row.author] if row.author else ""
        style = colour if row.kept else f"dim strike {colour}"
        texts = [(text, style) for text in wrapped(harmless(row.text).strip(), room)] + self._more(
            row, side, beside, room
        )
        lines = [self.head(row, name_width, first=i == 0).append(*text) for i, text in enumerate(texts)]
        if beside:
            lines[0].right(side, width)
        return lines

    def plain(self, row: Row) -> str:
        """A row as one line without colours."""
        head = " ".join(part for part in (row.label, folded(row.author)) if part)
        verdict = "rejected: " if not row.kept else "rewrite: " if row.again else ""
        facts = ", ".join(self._facts(row))
        return f"{head}: {verdict}{folded(row.text)}" + (f" ({facts})" if facts else "")

    def head(self, row: Row, name_width: int, *, first: bool = True) -> Line:
        """Number, bar and name; in the lines after the first the bar alone."""
        colour = self.palette[row.author] if row.author else "dim"
        head = Line()
        head.append(f"{row.label if first else '':>3} ", "dim")
        # a second sign beside the colour, for those who do not see it
        head.append(f"{self.signs['thin' if row.author == 'draft' else 'bar']} ", colour)
        name = folded(row.author) if first else ""
        head.append(f"{set_cell_size(name, name_width)}  ", f"bold {colour}" if row.kept else f"dim {colour}")
        return head

    def _side(self, row: Row, width: int) -> Line:
        """Score and cost, in columns of fixed width."""
        if row.tokens is None and row.score is None:
            return Line()
        side = Line(f"{self._verdict(row):<8}", "" if row.kept else "bold")
        side.append(f"{count(row.tokens or 0):>5} tok", "dim")
        if width >= _WIDE and row.nanodollars is not None:
            side.append(f"  {dollars(row.nanodollars):>10}", "dim")
        return side

    def _verdict(self, row: Row) -> str:
        if not row.kept or row.score is not None:
            sign = self.signs["kept" if row.kept else "rejected"]
            return sign if row.score is None else f"{sign} {row.score:.2f}"
        return "rewrite" if row.again else ""

    def _more(self, row: Row, side: Line, beside: bool, room: int) -> list[tuple[str, str]]:
        """What stands below the text: score and cost where there is no room beside it, and why it was rejected."""
        facts = [] if beside or not side.parts else [(" ".join(side.plain.split()), "dim")]
        said = f"rejected: {folded(row.reason)}" if not row.kept else folded(row.reason)
        why = [(line, "italic") for line in wrapped(said, room)] if row.reason else []
        return [(line, style) for text, style in facts for line in wrapped(text, room)] + why

    def _facts(self, row: Row) -> Iterator[str]:
        if row.reason:
            yield folded(row.reason)
        elif row.score is not None:
            yield f"{_called(row.signal)} {row.score:.2f}"
        if row.tokens is not None:
            yield f"{row.tokens} tok"
        if row.nanodollars:
            yield dollars(row.nanodollars)


def _called(signal: str) -> str:
    """What a score is called: a digit is the score of its paper, all else is named."""
    return "score" if not signal or signal.startswith("digit") else folded(signal).replace("_", " ")
