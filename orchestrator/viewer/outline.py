"""The tree of a run or of one problem: what is opened is laid out, and nothing else is looked at."""

from collections.abc import Callable
from typing import ClassVar, Final, NamedTuple

from textual.binding import Binding, BindingType

from ..console.ink import folded
from ..console.line import Line
from ..traces import Call, Item, Remark, RunTree, Scope, Step, Tool, Wait
from .listing import Listing
from .words import Words, arguments, remark

Order = str
ORDERS: Final = ("order", "cost", "time")


class Entry(NamedTuple):
    """A line of the tree; opened is None for what has nothing inside."""

    depth: int
    item: Item
    opened: bool | None


class Outline(Listing[Entry]):
    """Scopes, steps and calls as a tree."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "fold", show=False),
        Binding("right,l", "open", show=False),
        Binding("left,h", "shut", show=False),
        Binding("plus", "all(True)", show=False),
        Binding("minus", "all(False)", show=False),
    ]

    def __init__(self, words: Words) -> None:
        super().__init__(id="outline")
        self.words, self.tree_, self.top = words, RunTree(), Scope(id=0, path="", name="", kind="run", began=0.0)
        self.opened: set[Item] = set()
        self.order: Order = "order"
        self.wanted = ""
        self._places: dict[Item, int] = {}
        self._sorted: dict[Scope, tuple[int, dict[Order, list[Item]]]] = {}

    def look_at(self, tree: RunTree, top: Scope) -> None:
        """Another run, or another part of it, with its nodes open."""
        self.tree_, self.top = tree, top
        self.opened |= {top, *top.children}
        self.again(0)

    def again(self, cursor: int | None = None) -> None:
        """Lay out anew what is open; the cursor stays on its item."""
        here = self.current
        found = [Entry(0, self.top, True)]
        self._lay(self.top, 1, found)
        if self.wanted:
            found = _matching(found, self.wanted)
        self._places = {entry.item: i for i, entry in enumerate(found)}
        if cursor is None and here is not None:
            cursor = self._places.get(here.item)
        self.show(found, cursor)

    def find(self, item: Item) -> None:
        """Open what is around an item, and put the cursor on it."""
        scope = self.tree_.at(item.scope_path if isinstance(item, Step) else item.path)
        around: set[Item] = set(scope.line) if scope else set()
        if isinstance(item, Call) and item.step:
            around.add(item.step)
        if item not in self._places or not around <= self.opened:
            self.opened |= around
            self.again()
        self.stand(self._places.get(item, self.cursor))

    def filter(self, wanted: str) -> None:
        """Only what has all these words, and what is around it; with words everything is searched, open or not."""
        self.wanted = wanted.lower().strip()
        if self.wanted:
            self.opened.update(self.top.walk())
        self.again()

    def line(self, entry: Entry, width: int) -> Line:
        """An entry with its indent and the sign that says whether it is open."""
        sign = self.words.signs["leaf" if entry.opened is None else "open" if entry.opened else "shut"]
        head = Line("  " * entry.depth + sign + " ", "dim")
        return head.extend(self.words.row(entry.item, max(8, width - head.cell_len)))

    # -- keys -------------------------------------------------------------------------------------------------

    def action_fold(self) -> None:
        """Open what is shut, shut what is open."""
        if self.current and self.current.opened:
            self.action_shut()
        else:
            self.action_open()

    def action_open(self) -> None:
        """Show what is inside."""
        if self.current and self.current.opened is False:
            self.opened.add(self.current.item)
            self.again()

    def action_shut(self) -> None:
        """Hide what is inside, or go to what this is inside of."""
        if (here := self.current) is None:
            return
        if here.opened and here.depth:
            self.opened.discard(here.item)
            self.again()
        else:
            above = (i for i in range(self.cursor, -1, -1) if self.entries[i].depth < here.depth)
            self.stand(next(above, self.cursor))

    def action_all(self, wide: bool) -> None:
        """Open every scope and step, or shut all but the first level."""
        scopes = list(self.top.walk())
        if wide:
            self.opened.update(scopes)
        else:
            self.opened = {self.top}
        self.again()

    # -- laying out -------------------------------------------------------------------------------------------

    def _items(self, scope: Scope) -> list[Item]:
        """What is inside a scope, put in order once for as many items as it has; while they grow each time anew."""
        inside = scope.children, scope.steps, scope.calls, scope.tools, scope.waits, scope.remarks
        size, known = sum(len(some) for some in inside), self._sorted.get(scope)
        if known is None or known[0] != size or self.tree_.live:
            items = scope.inside()
            known = self._sorted[scope] = size, {"order": items}
        orders = known[1]
        if self.order not in orders:
            orders[self.order] = sorted(orders["order"], key=_KEYS[self.order], reverse=True)
        return orders[self.order]

    def _lay(self, scope: Scope, depth: int, found: list[Entry]) -> None:
        """Append what is inside a scope, and inside what is open in it."""
        opened = self.opened
        for item in self._items(scope):
            if isinstance(item, Step):
                shown = item in opened if item.calls else None
                found.append(Entry(depth, item, shown))
                if shown:
                    found += [Entry(depth + 1, call, None) for call in item.calls]
            elif isinstance(item, Scope):
                shown = item in opened if self._items(item) else None
                found.append(Entry(depth, item, shown))
                if shown:
                    self._lay(item, depth + 1, found)
            else:
                found.append(Entry(depth, item, None))


def says(item: Item) -> str:
    """All words by which an item is found, in small letters."""
    told: tuple[str, ...]
    match item:
        case Scope():
            verdict = "" if item.correct is None else "right" if item.correct else "wrong"
            told = (item.path, item.strategy, item.status, verdict, item.text, item.reason, item.question)
        case Step():
            told = (item.author, "kept" if item.kept else "rejected", item.text, item.reason, f"step {item.index + 1}")
        case Call():
            told = (item.role, item.purpose, item.text, item.error)
        case Tool():
            told = (item.tool, "tool", arguments(item), str(item.result), item.error)
        case Wait():
            told = (item.role, item.purpose, "wait", "waits", item.unit)
        case Remark():
            told = (item.kind, remark(item))
    return folded(" ".join(told)).lower()


def _matching(entries: list[Entry], wanted: str) -> list[Entry]:
    """Those with all the words, and those they are inside of."""
    words, kept, around, told = wanted.split(), list[Entry](), list[Entry](), 0
    for entry in entries:
        del around[entry.depth :]
        told = min(told, len(around))
        around.append(entry)
        said = says(entry.item)
        if all(word in said for word in words):
            kept += around[told:]
            told = len(around)
    return kept


def _cost(item: Item) -> float:
    if isinstance(item, Wait | Remark):
        return 0.0
    spent = item.total if isinstance(item, Scope) else item.cost
    return float(spent.nanodollars or spent.input + spent.output)


def _time(item: Item) -> float:
    return item.seconds if isinstance(item, Scope) else (item.ended or item.began) - item.began


_KEYS: Final[dict[str, Callable[[Item], float]]] = {"cost": _cost, "time": _time}
