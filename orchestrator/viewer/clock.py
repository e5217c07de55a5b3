"""The timeline: a row for each scope and lane, a letter for who was busy, signs for who waited and for what."""

from itertools import groupby
from typing import Final, NamedTuple

from ..console.ink import count, duration, folded
from ..console.line import Line, wrapped
from ..traces import Bar, Lane, RunTree, Scope, Wait, lanes
from .listing import Listing
from .words import WARM, Words, short

_NAME: Final = 20
_DOTS: Final = 1000  # more than a screen is wide
_SIGNS: Final = {"budget": "▒", "need": "·", "retry": "~"}
_ASCII: Final = {"budget": "%", "need": ".", "retry": "~"}


class Letters:
    """A letter for every model and tool, its first where that is free."""

    def __init__(self) -> None:
        self.given: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        if name not in self.given:
            free = [char for char in f"{name}abcdefghijklmnopqrstuvwxyz" if char.isascii() and char.isalnum()]
            self.given[name] = next((char for char in free if char not in self.given.values()), "?")
        return self.given[name]


class Span(NamedTuple):
    """The stretch of time on the screen."""

    began: float
    ended: float

    def cell(self, t: float, width: int) -> int:
        """Where a time stands."""
        share = (t - self.began) / max(1e-9, self.ended - self.began)
        return max(0, min(width - 1, int(share * width)))


class Clock(Listing[Lane]):
    """What ran side by side, what waited for what."""

    def __init__(self, words: Words) -> None:
        super().__init__(id="clock")
        self.words, self.letters, self.tree_ = words, Letters(), RunTree()
        self.merged = False
        self._drawn: dict[tuple[Scope, int, int], Line] = {}
        self.top, self.span = self.tree_.root, Span(0.0, 1.0)

    def look_at(self, tree: RunTree, top: Scope) -> None:
        """A run or a part of it, from its beginning to its end."""
        self.tree_, self.top = tree, top
        for name in tree.root.by_model():
            self.letters[name]
        self.merged = top.kind == "run" and len(top.children) > 1
        self.zoom(None)
        self.stand(0)

    def zoom(self, scope: Scope | None) -> None:
        """The time of one scope from edge to edge; None for all of it."""
        around = scope or self.top
        self.span = Span(around.began, max(around.latest, around.began + 1e-6))
        self._drawn = {}
        if self.merged:  # a problem is one row, and its bars are made when it is seen
            self.show([Lane(scope=scope, depth=0) for scope in self.top.children])
        else:
            self.show(lanes(self.tree_, self.top, self.grain))

    @property
    def grain(self) -> float:
        """Seconds that no screen shows apart."""
        return (self.span.ended - self.span.began) / _DOTS

    def whole(self, lane: Lane) -> Lane:
        """A lane with its bars; those of a problem are all that stand below it."""
        if not self.merged:
            return lane
        bars = [bar for one in lanes(self.tree_, lane.scope, self.grain) for bar in one.bars]
        return Lane(scope=lane.scope, depth=lane.depth, bars=sorted(bars, key=lambda bar: bar.began))

    def line(self, entry: Lane, width: int) -> Line:
        """A lane: its scope's name, then time from left to right."""
        indent = "  " * entry.depth
        name = indent + short(entry.scope.name, _NAME - 1 - len(indent)) if not entry.lane else ""
        line = Line(f"{name:<{_NAME}}", "bold" if entry.depth < 2 else "")
        room = width - _NAME
        key = entry.scope, entry.lane, room
        if (bars := self._drawn.get(key)) is None:
            bars = self._drawn[key] = Line()
            for (text, style), same in groupby(self._cells(entry, room)):
                bars.append(text * len(list(same)), style)
        return line.extend(bars).cut(width)

    def _cells(self, entry: Lane, room: int) -> list[tuple[str, str]]:
        empty = self.words.signs["empty"], "dim"
        first, last = self.span.cell(entry.scope.began, room), self.span.cell(entry.scope.latest, room)
        cells = [empty if first <= i <= last else (" ", "") for i in range(room)]
        idle = {" ", empty[0], *_SIGNS.values(), *_ASCII.values()}
        for bar in self.whole(entry).bars:
            if bar.ended < self.span.began or bar.began > self.span.ended:
                continue
            sign = self.sign(bar)
            for i in range(self.span.cell(bar.began, room), self.span.cell(bar.ended, room) + 1):
                if cells[i][0] in idle or bar.kind in ("call", "tool"):
                    cells[i] = sign
        return cells

    def sign(self, bar: Bar) -> tuple[str, str]:
        """A cell of a bar."""
        if bar.kind in ("call", "tool"):
            return self.letters[bar.by], f"bold {self.words.palette[bar.by]}"
        return (_SIGNS if self.words.utf8 else _ASCII)[bar.kind], WARM if bar.kind == "budget" else "dim"

    def legend(self, width: int) -> Line:
        """Who is which letter, what the signs are, and the time from edge to edge."""
        line = Line("")
        for name, letter in self.letters.given.items():
            line.append(letter, f"bold {self.words.palette[name]}").append(f" {folded(name)}  ")
        signs = _SIGNS if self.words.utf8 else _ASCII
        line.append("waits: ", "dim").append(signs["budget"], WARM).append(" budget", "dim")
        line.append(f"  {signs['need']} a node  {signs['retry']} a retry", "dim")
        side = Line(f"{duration(self.span.began)} to {duration(self.span.ended)}", "dim")
        return line.cut(width - side.cell_len - 1).right(side, width)


def told(lane: Lane, words: Words, width: int) -> list[Line]:
    """What stands in a lane, in words: the waits first, since they are what one looks for."""
    lines = [Line(f"{folded(lane.scope.path) or 'the run'}: {duration(lane.scope.seconds)}", "bold")]
    waits = [bar for bar in lane.bars if bar.kind in ("budget", "need", "retry")]
    lines += [Line(line) for bar in waits for line in wrapped(_wait(bar), width)]
    for name, spent in lane.scope.by_model().items():
        line = Line(folded(name), words.palette[name])
        lines.append(line.append(f" busy for {duration(spent.seconds)} in {count(spent.calls)} calls"))
    for bar in lane.bars:
        if bar.kind == "tool":
            lines.append(Line(f"{folded(bar.by)} for {duration(bar.ended - bar.began)} from {duration(bar.began)} on"))
    return [line.cut(width) for line in lines]


def _wait(bar: Bar) -> str:
    lasted = f"waited {duration(bar.ended - bar.began)} from {duration(bar.began)} on"
    match bar.kind, bar.what:
        case "budget", Wait() as wait:
            limit = f" under the limit of {short(wait.scope)}" if wait.scope else ""
            return f"{lasted} for budget: {count(wait.asked)} {folded(wait.unit)}{limit}"
        case "need", Scope() as need:
            return f"{lasted} for {folded(need.name)}"
        case _:
            return f"{lasted} before {folded(bar.by) or 'it'} tried again"
