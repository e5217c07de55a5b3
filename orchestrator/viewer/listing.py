"""A list of lines on the screen, of any length: a line is made when it is seen, and a cursor walks over them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final, Generic, TypeVar, cast

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ..console.line import Line

if TYPE_CHECKING:
    from textual.app import App

Entry = TypeVar("Entry")
_AROUND: Final = 4  # cells of a page for its border, a blank on either side and a scroll bar
MARKED: Final = {True: "#2E3A4C", False: "#CFD9E6"}  # behind the line with the cursor, on dark and on light


class Listing(ScrollView, Generic[Entry], can_focus=True):
    """Entries, a line each, and a cursor; a kind of listing says how an entry reads."""

    DEFAULT_CSS = """
    Listing { height: 1fr; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; overflow-x: hidden; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home,g", "move(-1000000000)", show=False),
        Binding("end,G", "move(1000000000)", show=False),
        Binding("enter", "choose", show=False),
    ]

    class Moved(Message):
        """The cursor stands on another entry."""

    class Chosen(Message):
        """Enter was pressed on an entry."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.entries: Sequence[Entry] = ()
        self.cursor = 0

    def line(self, entry: Entry, width: int) -> Line:
        """An entry as a line no wider than `width`."""
        raise NotImplementedError

    @property
    def dark(self) -> bool:
        """Whether the terminal shows light on dark."""
        return cast("App[None]", self.app).current_theme.dark  # pyright: ignore[reportUnknownMemberType]

    @property
    def current(self) -> Entry | None:
        """The entry under the cursor."""
        return self.entries[self.cursor] if self.entries else None

    def show(self, entries: Sequence[Entry], cursor: int | None = None) -> None:
        """Other entries, with the cursor on one of them."""
        self.entries = entries
        self.virtual_size = Size(0, len(entries))
        self.stand(self.cursor if cursor is None else cursor)
        self.refresh()

    def stand(self, cursor: int) -> None:
        """Put the cursor on an entry, and that on the screen."""
        self.cursor = max(0, min(cursor, len(self.entries) - 1))
        self.scroll_to_region(Region(0, self.cursor, 1, 1), animate=False, force=True, immediate=True)
        self.refresh()
        self.post_message(self.Moved())

    def on_click(self, event: Click) -> None:
        """A mouse may do what the arrow keys do."""
        self.stand(event.y + self.scroll_offset.y)

    def action_move(self, by: int) -> None:
        """So many entries up or down."""
        self.stand(self.cursor + by)

    def action_page(self, by: int) -> None:
        """A screen up or down."""
        self.stand(self.cursor + by * max(1, self.size.height - 1))

    def action_choose(self) -> None:
        """What enter does is told to whoever shows the list."""
        if self.entries:
            self.post_message(self.Chosen())

    def render_line(self, y: int) -> Strip:
        """A line of the screen."""
        row, width = y + self.scroll_offset.y, self.scrollable_content_region.width
        base = self.rich_style
        if row >= len(self.entries):
            return Strip.blank(width, base)
        if here := row == self.cursor:
            base += Style(bgcolor=MARKED[self.dark])
        shown = strip(self.line(self.entries[row], width - 2), width - 2, base)
        sign = Segment("> " if here else "  ", base + Style(bold=True))
        return Strip([sign, *shown], width)


class Page(ScrollView, can_focus=True):
    """Lines to read, without a cursor; the arrow keys scroll them."""

    DEFAULT_CSS = """
    Page { height: 1fr; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; overflow-x: hidden; }
    """

    class Widened(Message):
        """There is another width to fill."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.lines: Sequence[Line] = ()
        self.room = 0

    def on_resize(self) -> None:
        """Say so where the width is another, whether or not there is a scroll bar in it."""
        if (room := self.outer_size.width - _AROUND) != self.room:
            self.room = room
            self.post_message(self.Widened())

    def show(self, lines: Sequence[Line]) -> None:
        """Other lines, from the first on."""
        self.lines = lines
        self.virtual_size = Size(0, len(lines))
        self.scroll_to(0, 0, animate=False, immediate=True)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """A line of the screen."""
        row, width, base = y + self.scroll_offset.y, self.scrollable_content_region.width, self.rich_style
        return strip(self.lines[row], width, base) if row < len(self.lines) else Strip.blank(width, base)


def strip(line: Line, width: int, base: Style) -> Strip:
    """A line as the screen has it, exactly so wide."""
    segments = [Segment(text, base + Style.parse(style) if style else base) for text, style in line.cut(width).parts]
    return Strip(segments).adjust_cell_length(width, base)
