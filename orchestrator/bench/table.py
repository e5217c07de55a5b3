"""The table of a bench: a row for each recipe, its accuracy with its interval, and what it cost."""

import math
from collections.abc import Iterable, Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from ..console.ink import Palette, count, folded
from .metrics import Row, cost_of_pass, priced

WIDE, MIDDLING, NARROW = 118, 96, 72  # columns of a terminal below which a row shows less
_CELLS: Final = 16
_SIGNS: Final = {True: ("·", "━", "●"), False: (".", "-", "o")}
_SCALE: Final = "0     50   100 %"


def table(rows: Sequence[Row], *, width: int = 120, running: str = "", unicode: bool = True) -> Table:
    """The rows as a table for rich. running: the recipe at work; width: of the terminal."""
    drawn = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), header_style="dim")
    palette, names = Palette(), models(rows) if width >= NARROW else []
    dollars = priced(rows)
    strip = width >= WIDE and len(names) < 3
    heads = ["n", "% right", *(["95 %"] if width >= NARROW else []), *([_SCALE] if strip else [])]
    drawn.add_column("recipe", overflow="fold", min_width=8)
    for head in heads:
        drawn.add_column(head, justify="left" if head in ("95 %", _SCALE) else "right", no_wrap=True)
    for name in names:
        drawn.add_column(Text(folded(name), f"not dim {palette[name]}"), justify="right", no_wrap=True)
    for head in _COSTS[dollars][: None if width >= MIDDLING else 2]:
        drawn.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        cells: list[Text | str] = [tried(row), Text(percent(row.accuracy), "bold"), interval(row)]
        cells = [*cells, _strip(row, unicode=unicode)][: len(heads)] + [_mean(row, name) for name in names]
        cells += _costs(row, priced=dollars)[: len(drawn.columns) - len(cells) - 1]
        drawn.add_row(folded(row.recipe), *(cells if row.n else ["0"]), style="bold" if row.recipe == running else "")
    return drawn


_COSTS: Final = {True: ("$", "$ a pass", "share", "s"), False: ("tokens", "tokens a pass", "share", "s")}


def _costs(row: Row, *, priced: bool) -> list[str]:
    """The cells at the right, as `_COSTS` names them."""
    share = "-" if row.target_share is None else f"{row.target_share:.2f}"
    return [
        money(row.dollars) if priced else count(row.spent),
        pass_cost(row, priced=priced),
        share,
        _three(row.seconds),
    ]


def models(rows: Iterable[Row]) -> list[str]:
    """Every model that wrote anything, in order of first use; draft and target first."""
    seen = dict.fromkeys(name for row in rows for name, tokens in row.tokens.items() if tokens["generated"])
    return sorted(seen, key=lambda name: (name != "draft", name != "target"))


def percent(share: float | None) -> str:
    """A share in percent, to a tenth."""
    return "unknown" if share is None else f"{100 * share:.1f}"


def money(dollars: float | None) -> str:
    """Dollars to three digits, small ones in millionths: 12.3µ is 0.0000123."""
    if dollars is None:
        return "-"
    if not math.isfinite(dollars):
        return "∞"
    if dollars and dollars < 0.01:
        return f"{_three(dollars * 1e6)}µ"
    return _three(dollars) if dollars < 100 else f"{dollars:,.0f}"


def pass_cost(row: Row, *, priced: bool) -> str:
    """What a right answer costs, in dollars or tokens."""
    cost = cost_of_pass((row.dollars or 0.0) if priced else row.spent, row.accuracy)
    if cost is None:
        return "-"
    return "∞" if not math.isfinite(cost) else money(cost) if priced else count(cost)


def interval(row: Row) -> str:
    """The 95 % interval in percent."""
    return "" if row.accuracy is None else f"{100 * row.low:.1f} to {100 * row.high:.1f}"


def tried(row: Row) -> str:
    """How many problems, and how often each."""
    return f"{row.n} x {row.tries}" if row.tries > 1 else f"{row.n}"


def _mean(row: Row, model: str) -> str:
    """Tokens that a model wrote a problem."""
    return f"{row.tokens[model]['generated']:.1f}" if model in row.tokens else "-"


def _strip(row: Row, *, unicode: bool) -> Text:
    """The interval drawn between 0 and 100 %."""
    outside, inside, at = _SIGNS[unicode]
    if row.accuracy is None:
        return Text("")
    low, high = (min(_CELLS - 1, int(edge * _CELLS)) for edge in (row.low, row.high))
    middle = min(_CELLS - 1, int(row.accuracy * _CELLS))
    signs = [at if i == middle else inside if low <= i <= high else outside for i in range(_CELLS)]
    drawn = Text("".join(signs), "dim")
    drawn.stylize("not dim #3A8FD9", low, high + 1)
    return drawn


def _three(value: float) -> str:
    """Three digits."""
    if value >= 99.95:
        return f"{value:,.0f}"
    digits = 2 - (math.floor(math.log10(value)) if value > 0 else 0)
    return f"{value:.{max(0, min(6, digits))}f}"
