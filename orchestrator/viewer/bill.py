"""Where the tokens and the money went: by model and purpose, for the run and for what the cursor stands on."""

from collections.abc import Iterator
from typing import Final

from ..console.ink import count, dollars, duration, folded
from ..console.line import Line
from ..traces import Scope, Tally
from .words import Words, short

_USES: Final = {
    "think": "steps that stand",
    "wasted": "steps thrown away",
    "judge": "judging",
    "score": "scoring",
    "reward": "rewarding",
    "router": "routing",
    "probe": "looking ahead",
    "answer": "the answer",
}
_COLUMNS: Final = (("written", 8), ("read", 8), ("cached", 8), ("calls", 7), ("dollars", 12), ("busy", 9))
_SHARE: Final = 10
_NAME: Final = 22


def bill(scope: Scope, width: int, words: Words) -> list[Line]:
    """The bills of the run and of each scope down to this one."""
    lines: list[Line] = []
    for one in reversed(scope.line):
        lines += [Line()] if lines else []
        lines += _of(one, width, words)
    return lines


def _of(scope: Scope, width: int, words: Words) -> Iterator[Line]:
    name = "the whole run" if scope.kind == "run" else short(scope.path, _NAME - 1)
    head = Line(f"{name[: _NAME - 1]:<{_NAME}}", "bold")
    for title, size in _columns(width):
        head.append(f"{title:>{size}}", "dim")
    yield head
    if not scope.bill:
        yield Line("  nothing was spent", "dim")
        return
    whole = scope.total
    for role, spent in sorted(scope.by_model().items(), key=lambda pair: -_weight(pair[1])):
        yield _row(folded(role), spent, whole, width, words, words.palette[role])
        uses = ((use, tally) for (model, use), tally in scope.bill.items() if model == role and tally != Tally())
        for use, tally in sorted(uses, key=lambda pair: -_weight(pair[1])):
            yield _row(f"  {_USES.get(use, folded(use))}", tally, whole, width, words, "")
    yield _row("together", whole, whole, width, words, "bold")


def _row(name: str, spent: Tally, whole: Tally, width: int, words: Words, style: str) -> Line:
    line = Line(f"{name[: _NAME - 1]:<{_NAME}}", style)
    figures = {"written": count(spent.output), "read": count(spent.input), "cached": count(spent.cached_input)}
    figures |= {"calls": count(spent.calls), "dollars": dollars(spent.nanodollars), "busy": duration(spent.seconds)}
    for title, size in _columns(width):
        line.append(f"{figures[title]:>{size}}", "" if style else "dim")
    share = _weight(spent) / _weight(whole) if _weight(whole) else 0.0
    if width - line.cell_len > _SHARE + 6:
        full = round(share * _SHARE)
        line.append("  " + words.signs["full"] * full, style or "dim").append(
            words.signs["empty"] * (_SHARE - full), "dim"
        )
        line.append(f" {share:.0%}", "dim")
    return line.cut(width)


def _weight(spent: Tally) -> float:
    """Dollars where there are any, else tokens."""
    return float(spent.nanodollars or spent.tokens)


def _columns(width: int) -> tuple[tuple[str, int], ...]:
    room = width - _NAME
    shown: list[tuple[str, int]] = []
    for column in _COLUMNS:
        if (room := room - column[1]) < 0:
            break
        shown.append(column)
    return tuple(shown)
