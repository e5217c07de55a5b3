"""What each scope may spend: a bar a limit, of what is spent, held by calls that are out, and left."""

from typing import Final, NamedTuple

from ..console.ink import count, dollars, duration
from ..console.line import Line
from ..traces import RunTree, Scope
from .words import BAD, GOOD, WARM, Words, short

_NAMES: Final = {"nanodollars": "dollars"}
_LEAST: Final = 8  # cells of a bar


class Gauge(NamedTuple):
    """A limit of a scope in one unit, with what is gone and what is held."""

    scope: Scope
    unit: str
    cap: float
    spent: float
    held: float

    @property
    def left(self) -> float:
        """What may still be asked for."""
        return max(0.0, self.cap - self.spent - self.held)

    def said(self, amount: float) -> str:
        """An amount in its unit."""
        if self.unit == "nanodollars":
            return dollars(amount)
        return duration(amount) if self.unit == "seconds" else count(amount)


def gauges(tree: RunTree, scope: Scope) -> list[Gauge]:
    """Every limit that a scope stands under, its own first."""
    found: list[Gauge] = []
    for one in scope.line:
        limits = tree.plan.limits_of(one.path)
        if limits is None:
            continue
        total, out = one.total, tree.out(one)
        spent = {"tokens": total.tokens, "output": total.output, "nanodollars": total.nanodollars}
        spent["tool_calls"] = total.tool_calls
        held = {"tokens": sum(call.held.tokens for call in out), "output": sum(call.held.output for call in out)}
        held["nanodollars"] = sum(call.held.nanodollars for call in out)
        for unit, cap in limits.caps().items():
            found.append(Gauge(one, unit, cap, spent.get(unit, 0), held.get(unit, 0)))
        if limits.seconds is not None:
            found.append(Gauge(one, "seconds", limits.seconds, one.seconds, 0))
    return found


def budgets(tree: RunTree, scope: Scope, width: int, words: Words) -> list[Line]:
    """The limits of a scope, a bar each."""
    found = gauges(tree, scope)
    return [Line("budget", "bold"), *(bar(gauge, width, words) for gauge in found)] if found else []


def bar(gauge: Gauge, width: int, words: Words) -> Line:
    """A limit as a bar with its figures."""
    name = short(gauge.scope.path) or "run"
    parts = [f"{gauge.said(gauge.spent)} spent"]
    parts += [f"{gauge.said(gauge.held)} held"] if gauge.held else []
    parts += [f"{gauge.said(gauge.left)} left of {gauge.said(gauge.cap)} {_NAMES.get(gauge.unit, gauge.unit)}"]
    told = Line(f" {', '.join(parts)}", "dim")
    line, room = Line(f"{name} ", "bold"), width - told.cell_len - len(name) - 1
    if room < _LEAST:
        return line.extend(told).cut(width)
    gone, held = _cells(gauge.spent, gauge.cap, room), _cells(gauge.held, gauge.cap, room)
    held = min(held, room - gone)
    signs = words.signs
    line.append(signs["full"] * gone, BAD if gauge.left < gauge.cap / 5 else GOOD)
    line.append(("╍" if words.utf8 else "=") * held, WARM)
    return line.append(signs["empty"] * (room - gone - held), "dim").extend(told)


def _cells(amount: float, cap: float, room: int) -> int:
    """Of a bar; a little is one cell, so that it is seen."""
    if amount <= 0 or cap <= 0:
        return 0
    return max(1, min(room, round(amount / cap * room)))
