"""The viewer: which view is on the screen, what its keys do, and how it goes on with a run that is alive."""

import gc
import sys
import time
from collections.abc import Sequence
from typing import ClassVar, Final

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.events import Resize
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Input

from ..console.line import Line
from ..traces import Item, RunTree, Scope, Source, Step
from . import clock, help, sides
from .bill import bill
from .clock import Clock
from .detail import Detail
from .header import Band, header
from .listing import Page
from .outline import ORDERS, Outline
from .places import jump, problem
from .sides import Sides
from .table import Table
from .words import Words

TICK_S: Final = 0.25
SHARE: Final = 50  # of the time between two looks at a live journal, one part in so many may go into it
_BESIDE: Final = 120  # from so many columns on, the text stands beside the tree and not below
_CHUNK: Final = 3_000  # events that are folded in between two keys


class Viewer(App[None]):
    """One run, or two beside each other. problems: where to begin; two of one run are compared. Raises: RecipeError."""

    CSS = """
    Screen { layout: vertical; }
    #body { height: 1fr; layout: vertical; }
    #body.beside { layout: horizontal; }
    #views { height: 3fr; }
    #detail { height: 2fr; border-top: solid $foreground 30%; padding: 0 1; }
    #body.beside #views { height: 1fr; width: 11fr; }
    #body.beside #detail { height: 1fr; width: 9fr; border-top: none; border-left: solid $foreground 30%; }
    #body.alone #detail, #body.whole #views { display: none; }
    #body.alone #views { height: 1fr; }
    #body.whole #detail { height: 1fr; width: 1fr; border: none; }
    #filter { display: none; height: 1; border: none; padding: 0 1; }
    #filter.asked { display: block; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+q,ctrl+c", "quit"),
        Binding("escape,backspace", "back"),
        Binding("question_mark,f1", "help"),
        Binding("b", "bill"),
        Binding("t", "time"),
        Binding("p", "problems"),
        Binding("equals_sign,d", "compare"),
        Binding("n", "jump('rejected', 1)"),
        Binding("N", "jump('rejected', -1)"),
        Binding("r", "jump('trouble', 1)"),
        Binding("R", "jump('trouble', -1)"),
        Binding("w", "jump('wait', 1)"),
        Binding("W", "jump('wait', -1)"),
        Binding("slash", "filter"),
        Binding("s", "sort"),
        Binding("f", "follow"),
        Binding("z", "zoom"),
        Binding("y", "copy"),
        Binding("L", "light"),
    ]

    def __init__(
        self, sources: Sequence[Source], *, problems: Sequence[str] = (), utf8: bool | None = None, follow: bool = False
    ) -> None:
        super().__init__()
        self.sources, self.follows = sources, follow
        self.wanted = [problem(sources[0].tree, name) for name in problems]
        encoding = (sys.stdout.encoding or "").lower().replace("-", "")
        self.words = Words(utf8=encoding.startswith("utf") if utf8 is None else utf8)
        self.table, self.outline = Table(self.words), Outline(self.words)
        self.clock, self.sides = Clock(self.words), Sides(self.words)
        self.text, self.detail = Page(id="text"), Page(id="detail")
        self.head, self.keys = Band(id="head"), Band(id="keys")
        self.trail: list[str] = []
        self.zoomed, self._again = False, 0.0

    # -- what there is ----------------------------------------------------------------------------------------

    @property
    def run_tree(self) -> RunTree:
        """The run; of two the left one."""
        return self.sources[0].tree

    @property
    def view(self) -> Widget:
        """The view on the screen."""
        return self.query_one("#views", ContentSwitcher).visible_content or self.outline

    @property
    def item(self) -> Item | None:
        """What the cursor stands on."""
        view = self.view
        if isinstance(view, Table) and view.current:
            return view.current.scope
        if isinstance(view, Clock) and view.current:
            return view.current.scope
        if isinstance(view, Sides) and view.current:
            return view.current.left or view.current.right
        return self.outline.current.item if self.outline.current else None

    @property
    def scope(self) -> Scope:
        """The scope that the cursor is in."""
        item = self.item
        if item is None or isinstance(item, Scope):
            return item or self.run_tree.root
        return self.run_tree.at(item.scope_path if isinstance(item, Step) else item.path) or self.run_tree.root

    def compose(self) -> ComposeResult:
        yield self.head
        with Container(id="body"):
            with ContentSwitcher(id="views", initial="outline"):
                yield from (self.table, self.outline, self.clock, self.sides, self.text)
            yield self.detail
        yield Input(id="filter", placeholder="words, such as: rejected target", compact=True)
        yield self.keys

    def on_mount(self) -> None:
        """Begin where there is most to see: the table of a batch, the tree of a single problem."""
        gc.freeze()  # what was read stays, and to look through it again and again is what makes keys slow
        tree, several = self.run_tree, len(self.run_tree.problems) > 1
        self.words.live = tree.live
        other = self.sources[1].tree if len(self.sources) > 1 else None
        self.table.look_at(tree, other)
        self.outline.look_at(tree, self.wanted[0] if self.wanted else tree.root)
        self.turn("table" if (several or other) and not self.wanted else "outline")
        if len(self.wanted) > 1 or (self.wanted and other):
            self.action_compare()
        if tree.live or any(source.behind for source in self.sources):
            self.set_timer(0.001, self.tick)

    def on_resize(self, event: Resize) -> None:
        """Lay out by the new width."""
        self.query_one("#body").set_class(event.size.width >= _BESIDE, "beside")
        self.call_after_refresh(self.tell)

    # -- views ------------------------------------------------------------------------------------------------

    def turn(self, name: str) -> None:
        """To a view; `esc` comes back from it."""
        views = self.query_one("#views", ContentSwitcher)
        if views.current and views.current != name and (not self.trail or self.trail[-1] != views.current):
            self.trail.append(views.current)
        self._to(name)

    def _to(self, name: str) -> None:
        body = self.query_one("#body")
        self.query_one("#views", ContentSwitcher).current = name
        body.remove_class("whole")
        body.set_class(name == "text", "alone")
        self.view.focus()
        self.call_after_refresh(self.tell)

    def tell(self) -> None:
        """Everything around the view: header, detail, keys."""
        width = self.size.width
        more = [f"reading {source.share:.0%}" for source in self.sources if source.behind]
        more += ["following"] if self.follows else []
        more += [f"by {self.outline.order}"] if self.outline.order != "order" else []
        more += [f"/{self.outline.wanted}"] if self.outline.wanted else []
        lines = header(self.run_tree, self.scope, self.sources[0].path.parent.name, width, self.words, more)
        if self.view is self.clock:
            lines.append(self.clock.legend(width))
        if self.view is self.sides:
            lines.append(self.sides.head(self.sides.scrollable_content_region.width - 2))
        self.head.show(*lines)
        self.keys.show(help.bar(width))
        self.detail.show(self._read(self.detail.room))

    def _read(self, width: int) -> list[Line]:
        """All about what the cursor stands on."""
        view, detail = self.view, Detail(self.run_tree, self.words, width)
        if isinstance(view, Clock) and view.current:
            return clock.told(view.whole(view.current), self.words, width)
        if isinstance(view, Sides) and view.current:
            return sides.told(view.current, view.names, detail)
        return detail.of(self.item) if self.item else [Line("nothing was told yet", "dim")]

    # -- keys -------------------------------------------------------------------------------------------------

    async def action_back(self) -> None:
        """Out of what was asked last: the words, the whole text, the filter, the view."""
        asked = self.query_one("#filter", Input)
        if asked.has_focus:
            asked.remove_class("asked")
            self.view.focus()
        elif "whole" in self.query_one("#body").classes:
            self.query_one("#body").remove_class("whole")
            self.view.focus()
        elif self.outline.wanted or self.table.wanted:
            self._filter("")
        elif self.trail:
            self._to(self.trail.pop())

    def action_help(self) -> None:
        """All keys."""
        self._text(help.page())

    def action_bill(self) -> None:
        """Where it went, for the run and down to the cursor's scope."""
        self._text(bill(self.scope, self.size.width, self.words))

    def action_problems(self) -> None:
        """The table, with the cursor on the problem that one comes from."""
        if here := self._problem_here():
            self.table.find(here)
        self.turn("table")

    def action_time(self) -> None:
        """The timeline of the cursor's problem, or of the run."""
        self.zoomed = False
        top = self.run_tree.root if self.view is self.table else self.outline.top
        self.clock.look_at(self.run_tree, top)
        self.turn("clock")

    def action_zoom(self) -> None:
        """In the timeline: the time of the row that the cursor is on, and back."""
        if self.view is self.clock and self.clock.current:
            self.zoomed = not self.zoomed
            cursor, scope = self.clock.cursor, self.clock.current.scope
            self.clock.zoom(scope if self.zoomed else None)
            self.clock.stand(cursor)
            self.tell()

    def action_compare(self) -> None:
        """The same problem in the other run, or the other problem that was asked for."""
        left = self.wanted[0] if self.view is not self.table and self.wanted else self._problem_here()
        right, names = self._other(left)
        if left is None or right is None:
            self.notify("nothing to compare with: headgate trace runs/a runs/b, or --problem p1 --problem p2")
            return
        self.sides.look_at(left, right, names)
        self.turn("sides")

    def action_jump(self, kind: str, by: int) -> None:
        """To the next of a kind, in whichever problem it is."""
        if self.view is self.sides:
            return
        here = None if self.view is self.table and not self.trail else self.item
        if (item := jump(self.run_tree, kind, here, by)) is None:
            self.notify(f"there is no {'step that was rejected' if kind == 'rejected' else kind} in this run")
            return
        self.see(item)

    def see(self, item: Item) -> None:
        """Show an item in the tree of its problem; whoever goes somewhere follows nothing any more."""
        self.follows = False
        problem = self.run_tree.at(item.path.partition("/")[0])
        top = problem if problem and len(self.run_tree.problems) > 1 else self.run_tree.root
        if self.outline.top is not top:
            self.outline.look_at(self.run_tree, top)
        self.turn("outline")
        self.outline.find(item)

    def action_sort(self) -> None:
        """The next order."""
        order = ORDERS[(ORDERS.index(self.outline.order) + 1) % len(ORDERS)]
        self.outline.order = self.table.order = order
        self.outline.again()
        self.table.again()
        self.tell()

    def action_follow(self) -> None:
        """Stay with what is written last, or no longer."""
        self.follows = not self.follows
        self._follow()
        self.tell()

    def action_copy(self) -> None:
        """What is told of the item, with control characters written out."""
        if self.item:
            lines = Detail(self.run_tree, self.words, 100).of(self.item)
            self.copy_to_clipboard("\n".join(line.plain.rstrip() for line in lines))
            self.notify("copied")

    def action_light(self) -> None:
        """The other theme."""
        self.theme = "textual-dark" if self.theme == "textual-light" else "textual-light"
        self.view.refresh()

    def action_filter(self) -> None:
        """Ask for words."""
        asked = self.query_one("#filter", Input)
        asked.value = self.outline.wanted
        asked.add_class("asked")
        asked.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Only what has these words."""
        event.input.remove_class("asked")
        self._filter(event.value)

    def on_listing_moved(self) -> None:
        """Tell of what the cursor stands on now."""
        if self.is_running:
            self.tell()

    def on_page_widened(self) -> None:
        """Wrap anew."""
        self.tell()

    def on_listing_chosen(self) -> None:
        """Open a problem; else read all of it."""
        view, self.follows = self.view, False
        if isinstance(view, Table) and view.current and view.current.pair:
            self.action_compare()
        elif isinstance(view, Table) and view.current:
            self.outline.look_at(self.run_tree, view.current.scope)
            self.turn("outline")
        elif isinstance(view, Clock) and view.merged and view.current:
            self.outline.look_at(self.run_tree, view.current.scope)
            self.clock.look_at(self.run_tree, view.current.scope)
            self.tell()
        else:
            self.query_one("#body").add_class("whole")
            self.detail.focus()
            self.call_after_refresh(self.tell)

    # -- a run that is alive ----------------------------------------------------------------------------------

    def tick(self) -> None:
        """Fold in what was written since; the views follow when that is little work."""
        began = time.perf_counter()
        read = sum(source.read(_CHUNK) for source in self.sources)
        behind = any(source.behind for source in self.sources)
        self.words.live = self.run_tree.live
        if read and (not behind or began > self._again):
            self._again = began + 2 * TICK_S
            self._grown()
        took = time.perf_counter() - began
        if behind:
            gc.freeze()
            self.set_timer(0.001, self.tick)
        elif any(source.tree.live for source in self.sources):
            self.set_timer(min(2.0, max(TICK_S, SHARE * took)), self.tick)
        else:
            gc.freeze()
            self.tell()

    def _grown(self) -> None:
        if self.view is self.table:
            self.table.look_at(self.run_tree, self.sources[1].tree if len(self.sources) > 1 else None)
        elif self.view is self.outline:
            self.outline.again()
            self._follow()
        elif self.view is self.clock:
            self.clock.zoom(None)
        self.tell()

    def _follow(self) -> None:
        """To the last line of the problem that began last."""
        if not self.follows or self.view is not self.outline or not self.run_tree.problems:
            return
        running = [one for one in self.run_tree.problems if one.status == "running"] or self.run_tree.problems
        if self.outline.top.kind == "problem" and self.outline.top is not running[-1]:
            self.outline.look_at(self.run_tree, running[-1])
        self.outline.opened.update(running[-1].walk())
        self.outline.again()
        self.outline.stand(len(self.outline.entries) - 1)

    # -- small parts ------------------------------------------------------------------------------------------

    def _text(self, lines: list[Line]) -> None:
        self.text.show(lines)
        self.turn("text")

    def _filter(self, words: str) -> None:
        self.outline.filter(words)
        self.table.wanted = words
        self.table.again()
        self.view.focus()
        self.tell()

    def _problem_here(self) -> Scope | None:
        line = self.scope.line
        return line[-2] if len(line) > 1 else next(iter(self.run_tree.problems), None)

    def _other(self, left: Scope | None) -> tuple[Scope | None, tuple[str, str]]:
        """What stands on the right, and what both sides are called."""
        if left is None:
            return None, ("", "")
        if len(self.sources) > 1:
            one, two = (source.path.parent.name for source in self.sources[:2])
            return self.sources[1].tree.at(left.path), (f"{one}/{left.name}", f"{two}/{left.name}")
        right = self.wanted[1] if len(self.wanted) > 1 else None
        return right, (left.name, right.name if right else "")
