"""What stands at the end of a run: the answer or how many were right, what each model cost, and the target alone."""

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ...budget.prices import Price
from ...strategies.base import STATUSES
from ..agent import Solved
from ..intervals import wilson
from .figures import Alone, Usage, by_model, estimated, measured, total, unpriced
from .ink import Palette, count, dollars, duration, folded, harmless

_ROWS: Final = (
    "kept",
    "wasted",
    "judging",
    "answer",
    "generated",
    "input",
    "cached input",
    "calls",
    "dollars",
    "busy",
)
_NARROW: Final = 72
_STRONG: Final = ("generated", "dollars")
_UNKNOWN: Final = ("wasted", "judging", "cached input", "calls")


def summary(
    solved: Sequence[Solved],
    *,
    prices: Mapping[str, Price | None],
    target: str = "target",
    compare: Sequence[Solved] = (),
    answers: bool = True,
) -> RenderableType:
    """The end of a run, for rich.

    prices: of every model, by its name in the recipe. target: the model to compare with; it need not have run.
    compare: the same problems solved by the target alone, if they were; without, that is estimated. answers: whether
    to show a single problem's answer.
    """
    if not solved:
        return Text("no problem was solved")
    usages = by_model(solved)
    head = [*_batch(solved)] if len(solved) > 1 else [*_single(solved[0])] if answers else []
    alone = _alone(solved, usages, prices, target, compare)
    notes = _notes(usages, prices, target, alone)
    parts: list[RenderableType] = [*head, _Table(usages, prices, target, alone), *notes]
    return Padding(Group(*parts), (1 if head else 0, 0, 0, 1), expand=False)


def _alone(
    solved: Sequence[Solved],
    usages: Mapping[str, Usage],
    prices: Mapping[str, Price | None],
    target: str,
    compare: Sequence[Solved],
) -> Alone | None:
    """None where the target did everything itself, or is not there."""
    if compare:
        return measured(compare)
    if target not in prices or set(usages) <= {target}:
        return None
    return estimated(solved, target, prices[target])


def _single(one: Solved) -> Iterator[Text]:
    answer = one.answer
    verdict = "" if one.correct is None else "  right" if one.correct else "  wrong"
    yield Text.assemble((harmless(answer.text).strip() or "no answer", "bold"), verdict)
    if answer.status != "answered":
        yield Text(f"{answer.status}: {folded(answer.reason)}")


def _batch(solved: Sequence[Solved]) -> Iterator[Text]:
    known, right = _right(solved)
    if known:
        low, high = wilson(right, known)
        between = f"{low:.1%} to {high:.1%} with 95 % confidence"
        yield _line("accuracy", f"{right / known:.1%}", f" {right} of {known} right, {between}")
    statuses = Counter(one.answer.status for one in solved)
    said = ", ".join(f"{statuses[status]} {status}" for status in STATUSES if statuses[status])
    yield _line("problems", f"{len(solved)}", f" {said}")
    seconds = [one.seconds for one in solved]
    summed = f" a problem in the median, {duration(sum(seconds))} summed"
    yield _line("time", duration(statistics.median(seconds)), summed)
    tokens = [one.answer.cost.tokens for one in solved]
    yield _line("tokens", count(statistics.median(tokens)), f" a problem in the median, {count(sum(tokens))} in all")


def _right(solved: Sequence[Solved]) -> tuple[int, int]:
    """How many have a reference, and how many of these are right."""
    known = [one.correct for one in solved if one.correct is not None]
    return len(known), sum(known)


def _line(name: str, figure: str, more: str) -> Text:
    return Text.assemble((f"{name:<9} ", "dim"), (figure, "bold"), more)


@dataclass(frozen=True, slots=True)
class _Table:
    """The table of what each model cost, its columns closer to each other on a narrow terminal."""

    usages: Mapping[str, Usage]
    prices: Mapping[str, Price | None]
    target: str
    alone: Alone | None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        gap = 2 if options.max_width >= _NARROW else 1
        yield _table(self.usages, self.prices, self.target, self.alone, gap)


def _table(
    usages: Mapping[str, Usage], prices: Mapping[str, Price | None], target: str, alone: Alone | None, gap: int
) -> Table:
    table, palette = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, gap)), Palette()
    columns = [
        (Text(folded(name), f"bold {palette[name]}"), _cells(usage, bool(prices.get(name))))
        for name, usage in usages.items()
    ]
    if len(usages) > 1:
        columns.append((Text("together", "bold"), _cells(total(usages.values()), any(prices.values()))))
    if alone:
        head = Text.assemble((folded(target), palette[target]), " alone")
        columns.append(
            (
                head,
                _cells(alone.usage, bool(prices.get(target)))
                if alone.measured
                else _guesses(alone, bool(prices.get(target))),
            )
        )
    table.add_column("tokens", style="dim", header_style="dim")
    for head, _ in columns:
        table.add_column(head, justify="right", overflow="fold")
    for row, name in enumerate(_ROWS):
        style = "bold" if name in _STRONG else ""
        table.add_row(name, *(cells[row] for _, cells in columns), style=style)
    return table


def _cells(usage: Usage, priced: bool) -> list[str]:
    """A model's figures, as `_ROWS` names them; without dollars where no price is known."""
    cost = usage.cost
    written = (usage.kept, usage.wasted, usage.judge, usage.answer, cost.output)
    read = (cost.input + cost.cache_write, cost.cached_input, cost.calls)
    return [*map(count, written + read), dollars(cost.nanodollars) if priced else "", duration(cost.seconds)]


def _guesses(alone: Alone, priced: bool) -> list[str]:
    """The same where it was not measured: marked, and empty where nothing is known."""
    known = _cells(alone.usage, priced)
    known[-1] = "" if alone.seconds is None else duration(alone.seconds)
    return ["" if name in _UNKNOWN or not cell else f"~{cell}" for name, cell in zip(_ROWS, known, strict=True)]


def _notes(
    usages: Mapping[str, Usage], prices: Mapping[str, Price | None], target: str, alone: Alone | None
) -> Iterator[Text]:
    if alone:
        yield _comparison(total(usages.values()), usages.get(target, Usage()), target, alone)
    small: list[str] = []  # on one line, so that the whole end fits a screen of 24
    if alone and not alone.measured:
        small.append(f"~ estimated: as if {folded(target)} had written every kept step.")
    if any(price and price.nominal for name, price in prices.items() if name in usages or name == target):
        small.append("Prices are nominal.")
    if small:
        yield Text(" ".join(small), "dim")
    if free := unpriced(usages, prices):
        yield Text(f"No price is known for {', '.join(map(folded, free))}: the dollars go without.", "dim")


def _comparison(everything: Usage, own: Usage, target: str, alone: Alone) -> Text:
    """The gain in one sentence."""
    about = "" if alone.measured else "about "
    wrote, would = own.cost.output, alone.usage.cost.output
    said = Text.assemble((folded(target), f"bold {Palette()[target]}"), f" generated {count(wrote)} tokens")
    if would:
        said.append(f", {about}{wrote / would:.0%} of the {count(would)} that it needs alone")
    if alone.usage.cost.nanodollars and everything.cost.nanodollars:
        share = everything.cost.nanodollars / alone.usage.cost.nanodollars
        said.append(f"; the run cost {about}{share:.0%} of its dollars")
    return said.append(".")
