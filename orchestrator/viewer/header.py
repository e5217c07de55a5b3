"""The lines above and below: which run this is, how far it is, what it has spent, what is left."""

from collections import Counter
from collections.abc import Sequence

from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from ..console.ink import count, dollars, duration, folded
from ..console.line import Line
from ..traces import RunTree, Scope
from .budgets import bar, gauges
from .words import BAD, GOOD, WARM, Words


class Band(Widget):
    """A few lines across the screen."""

    DEFAULT_CSS = "Band { height: auto; width: 1fr; background: $foreground 8%; }"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.lines: Sequence[Line] = ()

    def show(self, *lines: Line) -> None:
        """Other lines; as many rows as there are."""
        taller = len(lines) != len(self.lines)
        self.lines = lines
        self.refresh(layout=taller)

    def render(self) -> Text:
        """As rich draws it; markup in texts means nothing here."""
        text = Text(no_wrap=True, overflow="crop")
        for i, line in enumerate(self.lines):
            text.append("\n" if i else "")
            for part, style in line.cut(max(1, self.size.width)).parts:
                text.append(part, Style.parse(style) if style else None)
        return text


def header(tree: RunTree, scope: Scope, folder: str, width: int, words: Words, more: Sequence[str] = ()) -> list[Line]:
    """The run, and the limit that the cursor's scope is nearest to."""
    lines = [_run(tree, folder, width, words, more)]
    under = [gauge for gauge in gauges(tree, scope) if gauge.cap]
    if under:
        lines.append(bar(min(under, key=lambda gauge: gauge.left / gauge.cap), width, words))
    return lines


def _run(tree: RunTree, folder: str, width: int, words: Words, more: Sequence[str]) -> Line:
    total, out = tree.root.total, tree.out(tree.root)
    dot = f" {words.signs['dot']} "
    spent = [f"{count(total.tokens)} tok", duration(tree.root.seconds)]
    spent[1:1] = [dollars(total.nanodollars)] if total.nanodollars else []
    side = Line(dot.join(spent))
    line = (
        Line(f"{folded(folder)} ", "bold")
        .append(folded(tree.root.name), "dim")
        .append("  ")
        .extend(_counts(tree, words))
    )
    if tree.live and out:
        names = Counter(call.role for call in out if call.ended is None)
        writing = ", ".join(folded(name) if n == 1 else f"{n} {folded(name)}" for name, n in names.items())
        line.append(f"  {words.signs['run']} {writing} at work", "#3A8FD9")
    for said in more:
        line.append(f"  {said}", "italic")
    return line.cut(width - side.cell_len - 1).right(side, width)


def _counts(tree: RunTree, words: Words) -> Line:
    """Problems by what became of them."""
    problems = tree.problems
    line = Line(
        "live" if tree.live else "ended" if tree.root.ended is not None else "stopped", WARM if tree.live else "dim"
    )
    if len(problems) > 1:
        right, wrong = (sum(one.correct is want for one in problems) for want in (True, False))
        line.append(f"  {len(problems)} problems", "dim")
        line.append(f"  {words.signs['kept']} {right}", GOOD).append(f"  {words.signs['rejected']} {wrong}", BAD)
    return line
