"""A batch as a table: a row a problem, to be sorted, filtered and opened; beside another batch, what differs."""

from typing import Final, NamedTuple

from ..console.ink import count, dollars, duration, folded
from ..console.line import Line
from ..traces import Pair, RunTree, Scope, batches
from .listing import Listing
from .outline import says
from .words import BAD, GOOD, WARM, WIDE, Words, short


class Problem(NamedTuple):
    """A row; pair: with the same problem in another run."""

    number: int
    scope: Scope
    pair: Pair | None = None


class Table(Listing[Problem]):
    """The problems of a run."""

    def __init__(self, words: Words) -> None:
        super().__init__(id="table")
        self.words, self.order, self.wanted = words, "order", ""
        self.all: list[Problem] = []

    def look_at(self, tree: RunTree, other: RunTree | None = None) -> None:
        """The problems of a run, or of two beside each other."""
        if other is None:
            self.all = [Problem(number, scope) for number, scope in enumerate(tree.problems, start=1)]
        else:
            self.all = [Problem(i, _one(pair), pair) for i, pair in enumerate(batches(tree, other), start=1)]
        self.again()

    def again(self) -> None:
        """Sort and filter anew; the cursor stays on its problem."""
        here = self.current
        words = self.wanted.lower().split()
        found = [one for one in self.all if all(word in _says(one) for word in words)] if words else list(self.all)
        if self.order != "order":
            found.sort(key=_KEYS[self.order], reverse=True)
        place = (i for i, one in enumerate(found) if here and one.scope is here.scope)
        self.show(found, next(place, 0))

    def find(self, scope: Scope) -> None:
        """Put the cursor on a problem."""
        self.stand(next((i for i, one in enumerate(self.entries) if one.scope is scope), self.cursor))

    def line(self, entry: Problem, width: int) -> Line:
        """A problem; of two runs what the other did stands behind."""
        scope, spent = entry.scope, entry.scope.total
        line = Line(f"{entry.number:>4} ", "dim").extend(self._verdict(scope))
        if entry.pair:
            return self._beside(line, entry.pair, width)
        side = Line(f"{count(spent.tokens):>6} tok", "dim")
        if width >= WIDE:
            side.append(f"{dollars(spent.nanodollars):>12}", "dim")
        side.append(f"{duration(scope.seconds):>8}", "dim")
        line.append(f" {short(scope.name)}", "bold")
        line.append(f" = {folded(scope.text)}" if scope.text else "")
        line.append(f"  {scope.rejected} rejected" if scope.rejected else "", BAD)
        if trouble := scope.retries + scope.refusals:
            line.append(f"  {self.words.signs['warn']} {trouble}", WARM)
        line.append(f"  {folded(scope.question)}", "dim")
        return line.cut(width - side.cell_len - 1).right(side, width)

    def _verdict(self, scope: Scope | None) -> Line:
        if scope is None:
            return Line(f"{'not there':<13}", BAD)
        sign = {True: "kept", False: "rejected", None: "empty"}[scope.correct]
        style = {True: GOOD, False: BAD, None: "dim"}[scope.correct]
        status = self.words.status(scope)
        if status == "answered" and scope.correct is not None:
            status = "right" if scope.correct else "wrong"
        return Line(f"{self.words.signs[sign]} {status[:11]:<11}", style)

    def _beside(self, line: Line, pair: Pair, width: int) -> Line:
        sign = " " if pair.kind == "same" else "≠" if self.words.utf8 else "#"
        line.append(f"{sign} ", f"bold {BAD}").extend(
            self._verdict(pair.right if isinstance(pair.right, Scope) else None)
        )
        both = [one for one in (pair.left, pair.right) if isinstance(one, Scope)]
        line.append(f" {short(both[0].name, 20)} ", "bold")
        line.append(" | ".join(folded(one.text) or "(none)" for one in both))
        figures = " | ".join(count(one.total.tokens) for one in both) + " tok"
        if width >= WIDE:
            figures += "  " + " | ".join(duration(one.seconds) for one in both)
        return line.cut(width - len(figures) - 1).right(Line(figures, "dim"), width)


def _one(pair: Pair) -> Scope:
    scope = pair.left or pair.right
    assert isinstance(scope, Scope)
    return scope


def _says(one: Problem) -> str:
    return says(one.scope) + (" differs" if one.pair and one.pair.kind != "same" else "")


def _cost(one: Problem) -> float:
    spent = one.scope.total
    return float(spent.nanodollars or spent.tokens)


def _time(one: Problem) -> float:
    return one.scope.seconds


_KEYS: Final = {"cost": _cost, "time": _time}
