"""Two runs of one problem beside each other: scope by scope and step by step, with what differs marked."""

from typing import ClassVar

from textual.binding import Binding, BindingType

from ..console.ink import count, folded
from ..console.line import Line
from ..traces import Pair, Scope, Step, sides
from .detail import Detail
from .listing import Listing
from .words import BAD, WARM, Words

_SIGN = {"same": " ", "changed": "≠", "left": "<", "right": ">"}
_ASCII = {"same": " ", "changed": "#", "left": "<", "right": ">"}


class Sides(Listing[Pair]):
    """Pairs of scopes and steps; n goes to the next that differs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "differing(1)", show=False),
        Binding("N", "differing(-1)", show=False),
    ]

    def __init__(self, words: Words) -> None:
        super().__init__(id="sides")
        self.words = words
        self.names = ("", "")

    def look_at(self, left: Scope, right: Scope, names: tuple[str, str]) -> None:
        """Two problems, with what their runs are called; the cursor stands on what differs first."""
        self.names = names
        found = sides(left, right)
        self.show(found, next((i for i, pair in enumerate(found) if pair.kind != "same"), 0))

    def action_differing(self, by: int) -> None:
        """The next pair, or the one before, that differs."""
        places = range(self.cursor + by, len(self.entries) if by > 0 else -1, by)
        self.stand(next((i for i in places if self.entries[i].kind != "same"), self.cursor))

    def line(self, entry: Pair, width: int) -> Line:
        """A pair as two halves of a line."""
        half = (width - 3) // 2
        sign = (_SIGN if self.words.utf8 else _ASCII)[entry.kind]
        left = self._half(entry.left, half)
        line = left.append(" " * (half - left.cell_len)).append(f" {sign} ", f"bold {WARM}")
        return line.extend(self._half(entry.right, half))

    def head(self, width: int) -> Line:
        """Which run stands on which side."""
        half = (width - 3) // 2
        left = Line(folded(self.names[0]), "bold").cut(half)
        return left.append(" " * (half - left.cell_len + 3)).extend(Line(folded(self.names[1]), "bold").cut(half))

    def _half(self, item: Scope | Step | None, width: int) -> Line:
        if item is None:
            return Line("(not there)", "dim").cut(width)
        if isinstance(item, Step):
            return self.words.said(item).cut(width)
        line = Line(folded(item.name), "bold").append("  ").extend(self.words.outcome(item))
        side = Line(f"{count(item.total.tokens)} tok", "dim")
        if width < 30:
            return line.cut(width)
        return line.cut(width - side.cell_len - 1).right(side, width)


def told(pair: Pair, names: tuple[str, str], detail: Detail) -> list[Line]:
    """What one of the two lacks, or what differs between them; then all about the left, and all about the right."""
    left, right = pair.left, pair.right
    missing = {"left": names[1], "right": names[0]}.get(pair.kind)
    lines = [Line(f"not in {folded(missing)}", BAD)] if missing else []
    if isinstance(left, Step) and isinstance(right, Step) and left.text != right.text:
        lines += [Line("what differs", "bold"), *detail.difference(left.text, right.text)]
    for one in (left, right):
        lines += detail.of(one) if one else []
    return lines
