"""When what ran: a row for each scope and each lane of calls in it, with who was busy and who waited for what."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final, Literal, NamedTuple

from .parts import Call, Scope, Tool, Wait
from .tree import RunTree

Busy = Literal["call", "tool", "budget", "need", "retry"]  # a call of a model or a tool; waiting for budget or a node
_begins: Final = attrgetter("began", "ended")
_ENOUGH: Final = 64  # lanes of one scope that are shown; more run in the last of them


class Bar(NamedTuple):
    """A stretch of time. what: it shows this call, tool or wait. by: the model, the tool, the need or the unit."""

    kind: Busy
    began: float
    ended: float
    by: str
    purpose: str = ""
    what: Call | Tool | Wait | Scope | None = None


@dataclass(slots=True, kw_only=True)
class Lane:
    """A row of a timeline. scope: whose; lane: 0 for the first of several rows of one scope; depth: from the top."""

    scope: Scope
    depth: int
    lane: int = 0
    bars: list[Bar] = field(default_factory=list[Bar])


def lanes(tree: RunTree, top: Scope | None = None, grain: float = 0.0) -> list[Lane]:
    """The rows of a timeline of a scope and all below, or of the whole run.

    grain: seconds that are one dot; of the calls of a model that lie within the same dot only the first is there.
    """
    top = top or tree.root
    return [lane for scope in top.walk() for lane in _lanes(tree, scope, len(top.line), grain)]


def _lanes(tree: RunTree, scope: Scope, base: int, grain: float) -> list[Lane]:
    """One at least; calls that overlap stand in lanes of their own."""
    found = [Lane(scope=scope, depth=len(scope.line) - base)]
    free = [0.0]
    for bar in sorted(_bars(tree, scope, grain), key=_begins):
        lane = next((i for i, until in enumerate(free) if until <= bar.began), len(free))
        if lane == _ENOUGH:
            lane -= 1
        elif lane == len(free):
            free.append(0.0)
            found.append(Lane(scope=scope, depth=found[0].depth, lane=lane))
        found[lane].bars.append(bar)
        free[lane] = bar.ended
    return found


def _bars(tree: RunTree, scope: Scope, grain: float) -> Iterator[Bar]:
    end = scope.latest
    if need := _need(tree, scope):
        yield need
    for call in _seen(scope.calls, grain) if grain else scope.calls:
        ended = end if call.ended is None else call.ended
        yield Bar("call", call.began, ended, call.role, call.purpose, call)
    for tool in scope.tools:
        ended = end if tool.ended is None else tool.ended
        yield Bar("tool", tool.began, ended, tool.tool, what=tool)
    for wait in scope.waits:
        ended = end if wait.ended is None else wait.ended
        yield Bar("budget", wait.began, ended, wait.unit, wait.purpose, wait)
    for remark in scope.remarks:
        pause = remark.facts.get("wait_s")
        if remark.kind == "retry" and isinstance(pause, int | float):
            yield Bar(
                kind="retry", began=remark.began, ended=remark.began + pause, by=str(remark.facts.get("role", ""))
            )


def _seen(calls: Iterable[Call], grain: float) -> Iterator[Call]:
    """The calls that more than one dot shows, and the first of each model in a dot."""
    dots: set[tuple[str, int]] = set()
    for call in calls:
        dot = call.role, int(call.began / grain)
        if dot not in dots or call.ended is None or call.ended - call.began > grain:
            dots.add(dot)
            yield call


def _need(tree: RunTree, scope: Scope) -> Bar | None:
    """From its problem's beginning to its own a node waited for the nodes that it needs, above all for the last."""
    ends = [(found.ended, found) for path in tree.plan.needs_of(scope.path) if (found := tree.at(path))]
    ended = [(end, found) for end, found in ends if end is not None and end <= scope.began]
    if scope.kind != "node" or scope.parent is None or not ended:
        return None
    last = max(ended, key=lambda pair: pair[0])[1]
    return Bar(kind="need", began=scope.parent.began, ended=scope.began, by=last.name, what=last)
