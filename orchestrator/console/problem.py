"""One problem of a batch as a line: while it is worked on, and once it has ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ...budget.events import Event
from .activity import Activity
from .ink import Palette, count, dollars, duration, folded
from .line import Line

COLOURS: Final = {"answered": "#1FA37A", "abstained": "#A89A00", "exhausted": "#DD7A12", "failed": "#D9659A"}
_NARROW: Final = 72  # below, a line has no room for steps
_WIDE: Final = 96  # from here on dollars have a column too


@dataclass(slots=True)
class Problem:
    """What one problem spent so far, who is at work on it, and how it ended; began is by the events' own clock."""

    name: str
    began: float = 0.0
    latest: float = 0.0
    tokens: int = 0
    nanodollars: int = 0
    activity: Activity = field(default_factory=Activity)
    status: str = ""
    said: str = ""
    correct: bool | None = None

    def take(self, event: Event) -> None:
        """Fold one of its events in."""
        self.latest = event.t
        self.activity.take(event)
        if event.kind == "settle" and event.cost:
            self.tokens += event.cost.tokens
            self.nanodollars += event.cost.nanodollars
        elif event.kind == "problem_end":
            told = event.payload
            self.status = str(told.get("status", "answered"))
            correct, seconds = told.get("correct"), told.get("seconds")
            self.correct = correct if isinstance(correct, bool) else None
            self.said = str(told.get("answer", "")) if self.status == "answered" else _why(self.status, told)
            if isinstance(seconds, int | float):
                self.began = self.latest - seconds

    def running(self, width: int, palette: Palette, signs: Mapping[str, str], now: float) -> Line:
        """Who is at work on it, and what that cost so far."""
        side = self._side(width, max(self.latest, now))
        head = self._head(width, " ", "dim").extend(self.activity.doing(palette, signs))
        return head.cut(width - side.cell_len - 1).right(side, width).cut(width)

    def ended(self, width: int, signs: Mapping[str, str]) -> Line:
        """Right or wrong, the answer or why there is none, and what it cost."""
        sign = {True: "kept", False: "rejected", None: "dot"}[self.correct]
        style = {True: COLOURS["answered"], False: COLOURS["failed"], None: ""}[self.correct]
        side = self._side(width, self.latest)
        head = self._head(width, signs[sign], f"bold {style}".strip())
        head.append(folded(self.said) or "(no answer)", "" if self.status == "answered" else "italic")
        return head.cut(width - side.cell_len - 1).right(side, width).cut(width)

    def _head(self, width: int, sign: str, style: str) -> Line:
        room = max(8, width // 4)
        name = folded(self.name)
        name = name if len(name) <= room else f"{name[: room // 3]}..{name[2 + room // 3 - room :]}"
        return Line("  ").append(sign, style).append(f" {name}  ", "" if self.status else "dim")

    def _side(self, width: int, now: float) -> Line:
        steps = f"{self.activity.steps():>21}  " if width >= _NARROW else ""
        side = Line(f"{steps}{count(self.tokens):>5} tok", "dim")
        if width >= _WIDE:
            side.append(f"  {dollars(self.nanodollars) if self.nanodollars else '':>10}", "dim")
        return side.append(f"  {duration(now - self.began):>6}", "dim")


def _why(status: str, told: Mapping[str, object]) -> str:
    return ": ".join(filter(None, (status, str(told.get("reason", "")))))
