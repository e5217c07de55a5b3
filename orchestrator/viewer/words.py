"""How the parts of a run read on one line: who, what, and the figures that stand at its right end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import Final, cast

from ..console.ink import ASCII_MARKS, MARKS, VERBS, Palette, count, dollars, duration, folded
from ..console.line import Line
from ..traces import Call, Item, Remark, Scope, Step, Tool, Wait

WIDE: Final = 90  # from here on a line has room for dollars and time beside tokens
_SIGNS: Final = {"open": "▾", "shut": "▸", "leaf": " ", "wait": "◷", "tool": "⚒", "call": "→", "skip": "⊘", "run": "●"}
_ASCII: Final = {"open": "-", "shut": "+", "leaf": " ", "wait": "~", "tool": "$", "call": "=", "skip": "o", "run": "*"}
GOOD, BAD, DULL, WARM = "#1FA37A", "#D9659A", "dim", "#DD7A12"
_STATUS: Final = {"answered": GOOD, "ended": GOOD, "running": "#3A8FD9", "exhausted": WARM, "failed": BAD}


@dataclass(slots=True)
class Words:
    """What a terminal can show, and each author's colour, the same on every screen of a run."""

    utf8: bool = True
    live: bool = False
    palette: Palette = field(default_factory=Palette)

    @property
    def signs(self) -> Mapping[str, str]:
        """The console's and the viewer's own."""
        return {**MARKS, **_SIGNS} if self.utf8 else {**ASCII_MARKS, **_ASCII}

    def row(self, item: Item, width: int) -> Line:
        """An item as one line of this width; its figures give way first."""
        side = self.figures(item, width)
        room = width - side.cell_len - (2 if side.parts else 0)
        said = self.said(item)
        if room < 16:
            return said.cut(width)
        return said.cut(room).right(side, width) if side.parts else said.cut(width)

    @singledispatchmethod
    def said(self, item: Item) -> Line:
        """What an item is and says."""
        raise TypeError(type(item).__name__)

    @said.register
    def _(self, item: Scope) -> Line:
        line = Line(folded(item.name), "bold").append(f"  {folded(item.strategy)}" if item.strategy else "", DULL)
        line.append("  ").extend(self.outcome(item))
        if item.rejected:
            line.append(f"  {item.rejected} rejected", BAD)
        if troubles := item.retries + item.refusals:
            line.append(f"  {self.signs['warn']} {troubles}", WARM)
        if item.reason and item.status != "answered":
            line.append(f"  {folded(item.reason)}", "italic")
        if item.question:
            line.append(f"  {folded(item.question)}", DULL)
        return line

    @said.register
    def _(self, item: Step) -> Line:
        colour = self.palette[item.author]
        line = Line(f"{item.index + 1:>2} ", DULL).append(
            self.signs["thin" if item.author == "draft" else "bar"], colour
        )
        line.append(f" {folded(item.author)} ", f"bold {colour}" if item.kept else f"dim {colour}")
        if not item.kept:
            line.append(f"{self.signs['rejected']} rejected ", BAD)
        elif item.rejected:
            line.append("rewrite ", GOOD)
        text = folded(item.text) or ("(ends its thinking)" if item.stop == "think_end" else "(empty)")
        return line.append(f" {text}", colour if item.kept else f"dim strike {colour}")

    @said.register
    def _(self, item: Call) -> Line:
        colour, out = self.palette[item.role], item.ended is None
        verb = VERBS.get(item.purpose, folded(item.purpose))
        line = Line(f"{self.signs['call']} ", DULL).append(folded(item.role), colour).append(f" {verb}", DULL)
        if out:
            return line.append(" ... it is out" if self.live else " ... its end was never told", WARM)
        line.append(f"  {self.signs['warn']} {folded(item.error)}" if item.error else "", WARM)
        return line.append(f"  {folded(item.text)}" if item.text else "")

    @said.register
    def _(self, item: Tool) -> Line:
        line = Line(f"{self.signs['tool']} ", DULL).append(folded(item.tool), "bold")
        line.append(f"({folded(arguments(item))})", DULL)
        said = f" {self.signs['warn']} {folded(item.error)}" if item.error else f" = {folded(item.result)}"
        return line.append(said if item.ended is not None else " ...", WARM if item.error else "")

    @said.register
    def _(self, item: Wait) -> Line:
        line = Line(f"{self.signs['wait']} ", WARM).append("waits for budget", WARM)
        line.append(f": {count(item.asked)} {unit(item.unit)}", DULL)
        who = f" for {folded(item.role)} ({folded(item.purpose)})" if item.role else ""
        cap = f" under the limit of {folded(item.scope)}" if item.scope else ""
        return line.append(f"{who}{cap}", DULL).append(", in vain" if item.refused else "", BAD)

    @said.register
    def _(self, item: Remark) -> Line:
        return Line(f"{self.signs['warn']} ", WARM).append(remark(item), "italic")

    def outcome(self, item: Scope) -> Line:
        """How a scope stands: right or wrong, its answer, or what became of it."""
        if item.correct is not None:
            sign, word = ("kept", "right") if item.correct else ("rejected", "wrong")
            line = Line(f"{self.signs[sign]} {word}", GOOD if item.correct else BAD)
        else:
            line = Line()
        status = self.status(item)
        if item.correct is None or status != "answered":
            line.append(" " if line.parts else "").append(status, _STATUS.get(status, DULL))
        return line.append(f" = {folded(item.text)}", "bold") if item.text else line

    def status(self, item: Scope) -> str:
        """Its status; what never ended in a run that is over was interrupted."""
        return "interrupted" if item.status == "running" and not self.live else item.status

    def figures(self, item: Item, width: int) -> Line:
        """Tokens, where there is room also dollars and seconds."""
        if isinstance(item, Remark):
            return Line(moment(item.began), DULL) if width >= WIDE else Line()
        if isinstance(item, Wait | Tool):
            return Line(duration((item.ended or item.began) - item.began), DULL)
        spent = item.total if isinstance(item, Scope) else item.cost
        score = f"{item.score:5.2f}" if isinstance(item, Step) and item.score is not None else ""
        line = Line(f"{score:<5} ", "bold").append(f"{count(tokens(item)):>5} tok", DULL)
        if width >= WIDE:
            busy = item.seconds if isinstance(item, Scope) else spent.seconds
            line.append(f"{dollars(spent.nanodollars):>12}{duration(busy):>8}", DULL)
        return line


def tokens(item: Scope | Step | Call) -> int:
    """Of a scope all that its limits count, of a step or a call what was written."""
    return item.total.tokens if isinstance(item, Scope) else item.cost.output


def arguments(item: Tool) -> str:
    """A tool call's arguments on a line."""
    given = item.arguments
    if isinstance(given, Mapping):
        return ", ".join(f"{name}={value}" for name, value in cast("Mapping[object, object]", given).items())
    return "" if given is None else str(given)


def remark(item: Remark) -> str:
    """A remark in words."""
    told, text = item.facts, folded(item.text)
    who = folded(told.get("role") or "the node")
    match item.kind:
        case "retry":
            return f"retry {told.get('attempt', '')}: {who} tries again in {_seconds(told.get('wait_s'))}: {text}"
        case "refuse":
            left = f"{_count(told.get('asked'))} {unit(told.get('unit'))} asked, {_count(told.get('left'))} left"
            short = "the time is over" if told.get("unit") == "seconds" else left
            return f"the budget refused {who} ({folded(told.get('purpose', ''))}): {short}"
        case "overrun":
            return f"a provider broke its bound: {_count(told.get('left'))} {unit(told.get('unit'))} left"
        case "problem_start":
            return "begins again from here"
        case _:
            return text


def moment(seconds: float) -> str:
    """A time of the run."""
    return f"at {duration(seconds)}"


def short(name: str, most: int = 24) -> str:
    """A name with its middle left out where it is long: what tells ids apart stands at their ends."""
    said = folded(name)
    return said if len(said) <= most else f"{said[: most // 2 - 1]}..{said[1 - most + most // 2 :]}"


def unit(name: object) -> str:
    """A unit as people call it; nanodollars stay what they are."""
    return folded(name or "tokens")


def _seconds(value: object) -> str:
    return duration(value) if isinstance(value, int | float) else "a while"


def _count(value: object) -> str:
    return count(value) if isinstance(value, int | float) else "?"
