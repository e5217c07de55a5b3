"""A run's tree as plain values, which the page's script draws: problems, scopes, steps, calls, and what they cost.

What is empty is left out. Times are seconds of the run; a cost is `[input, cached, written to cache, output,
nanodollars, busy seconds]`; a step without one cost what its first call did. Digits are in thousandths.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from ...budget.cost import Cost, Limits
from ...budget.errors import meant
from ..errors import RecipeError
from ..traces import Call, Item, Remark, RunTree, Scope, Step, Tally, Tool, Wait, changes, lanes
from .figures import figures

LONGEST: Final = 20_000  # characters of one text that go into a page
FIGURES: Final = 700_000  # characters of tokens' figures that go into a page
_ALIKE: Final = 4_000  # characters of two texts, beyond which they are not compared word by word

Values = dict[str, Any]


class Data:
    """Makes the values of one page; room: how many characters of tokens' figures may go into it."""

    def __init__(self, tree: RunTree, room: int = FIGURES) -> None:
        self._tree, self._anchors = tree, dict[Step, str]()
        self._taken: set[str] = set()
        self._room, self._without = room, 0

    def run(self, title: str, problem: str = "") -> Values:
        """The whole run, or one problem of it. Raises: RecipeError for a problem that is not there."""
        tree, root = self._tree, self._tree.root
        shown = [_found(tree, problem)] if problem else tree.problems
        bill = shown[0].bill if problem else root.bill
        problems = [self._problem(scope) for scope in shown]
        own = [] if problem else self._items(root, [item for item in root.inside() if not isinstance(item, Scope)])
        return _some(
            title=title,
            name=root.name,
            one=bool(problem),
            live=tree.live,
            status=root.status,
            began=_time(root.began),
            ended=_time(root.latest),
            processes=tree.processes,
            models=dict(tree.plan.models),
            limits={} if problem else _limits(tree.plan.limits_of("")),
            bill=_bill(bill),
            problems=problems,
            items=own,
            without=self._without or None,
        )

    # -- scopes -----------------------------------------------------------------------------------------------

    def _problem(self, scope: Scope) -> Values:
        return self._scope(scope) | _some(lanes=self._lanes(scope), latest=_time(scope.latest))

    def _scope(self, scope: Scope) -> Values:
        return _some(
            type="scope",
            path=scope.path,
            name=scope.name,
            kind=scope.kind,
            began=_time(scope.began),
            ended=_time(scope.ended),
            status=scope.status,
            question=_cut(scope.question),
            strategy=scope.strategy,
            roles=dict(scope.roles),
            text=_cut(scope.text),
            reason=_cut(scope.reason),
            correct=scope.correct,
            times=scope.times if scope.times > 1 else None,
            kept=scope.kept,
            rejected=scope.rejected,
            retries=scope.retries,
            refusals=scope.refusals,
            waited=scope.waited,
            limits=_limits(self._tree.plan.limits_of(scope.path)),
            bill=_bill(scope.bill),
            items=self._items(scope, scope.inside()),
        )

    def _items(self, scope: Scope, items: list[Item]) -> list[Values]:
        for step in scope.steps:  # before any is written: a rejected one names what stands in its place
            self._anchors[step] = self._anchor(step)
        return [self._item(item) for item in items]

    def _item(self, item: Item) -> Values:
        match item:
            case Scope():
                return self._scope(item)
            case Step():
                return self._step(item)
            case Call():
                return _call(item) | _some(type="call", path=item.path, text=_cut(item.text))
            case Tool():
                return _tool(item)
            case Wait():
                return _wait(item)
            case Remark():
                return _remark(item)

    def _lanes(self, problem: Scope) -> list[Values]:
        """A timeline's rows; a bar is `[kind, began, ended, by, purpose]`."""
        return [
            _some(
                path=lane.scope.path,
                depth=lane.depth,
                lane=lane.lane,
                bars=[[bar.kind, _time(bar.began), _time(bar.ended), bar.by, bar.purpose] for bar in lane.bars],
            )
            for lane in lanes(self._tree, problem)
        ]

    # -- steps ------------------------------------------------------------------------------------------------

    def _step(self, step: Step) -> Values:
        return _some(
            type="step",
            anchor=self._anchors[step],
            index=step.index,
            author=step.author,
            rejected=not step.kept,
            text=_cut(step.text),
            began=_time(step.began),
            ended=_time(step.ended),
            stop=step.stop,
            score=_finite(step.score),
            reason=_cut(step.reason),
            cost=_cost(step.cost) if not step.calls or step.cost != step.calls[0].cost else None,
            calls=[_call(call) for call in step.calls],
            digits=[round(1000 * value) for value in step.digits],
            figures=self._figures(step),
            before=[self._anchors[one] for one in step.rejected if one in self._anchors],
            instead=self._anchors.get(step.instead) if step.instead else None,
            diff=_diff(step.text.strip(), step.instead.text.strip()) if step.instead else None,
        )

    def _anchor(self, step: Step) -> str:
        """The step's path for the one that stands, with its number for those thrown away and for any other."""
        anchor = step.path if step.kept and step.path not in self._taken else f"{step.path}~{step.id}"
        self._taken.add(anchor)
        return anchor

    def _figures(self, step: Step) -> list[str]:
        made = figures(step) if len(step.text) <= LONGEST else []
        size = sum(map(len, made))
        if size > self._room:
            self._without += 1
            return []
        self._room -= size
        return made


def _found(tree: RunTree, problem: str) -> Scope:
    if (scope := tree.at(problem)) is None or scope.kind != "problem":
        names = [scope.path for scope in tree.problems]
        raise RecipeError(f"there is no problem `{problem}` in this run", hint=meant(problem, names))
    return scope


def _call(call: Call) -> Values:
    return _some(
        role=call.role,
        purpose=call.purpose,
        began=_time(call.began),
        ended=_time(call.ended),
        cost=_cost(call.cost),
        granted=call.granted,
        shrunk=call.shrunk,
        stop=call.stop,
        error=_cut(call.error),
        unmeasured=call.unmeasured,
    )


def _tool(tool: Tool) -> Values:
    return _some(
        type="tool",
        path=tool.path,
        tool=tool.tool,
        arguments=_cut(_said(tool.arguments)),
        result=_cut(_said(tool.result)),
        error=_cut(tool.error),
        began=_time(tool.began),
        ended=_time(tool.ended),
        cost=_cost(tool.cost),
    )


def _wait(wait: Wait) -> Values:
    return _some(
        type="wait",
        path=wait.path,
        asked=_finite(wait.asked),
        unit=wait.unit,
        scope=wait.scope,
        role=wait.role,
        purpose=wait.purpose,
        refused=wait.refused,
        began=_time(wait.began),
        ended=_time(wait.ended),
    )


def _remark(remark: Remark) -> Values:
    facts = {name: _cut(_said(value)) for name, value in remark.facts.items() if isinstance(value, str | int | float)}
    return _some(type="remark", path=remark.path, kind=remark.kind, began=_time(remark.began), facts=facts)


def _bill(bill: Mapping[tuple[str, str], Tally]) -> list[Values]:
    return [
        _some(model=model, purpose=purpose, calls=spent.calls, cost=_cost(spent))
        for (model, purpose), spent in bill.items()
        if spent.calls or spent.tokens
    ]


def _limits(limits: Limits | None) -> Values:
    """Those that a page can show against what was spent."""
    if limits is None:
        return {}
    dollars = None if limits.dollars is None else float(str(limits.dollars))
    return _some(tokens=limits.tokens, output=limits.output, dollars=dollars, seconds=limits.seconds)


def _cost(cost: Cost | Tally) -> list[float]:
    values = [cost.input, cost.cached_input, cost.cache_write, cost.output, cost.nanodollars, round(cost.seconds, 4)]
    return values if any(values) else []


def _diff(left: str, right: str) -> list[list[Any]] | None:
    """Stretches as `[kind, characters]`, to be cut from the two texts; None where there are too many to compare."""
    if len(left) + len(right) > _ALIKE:
        return None
    return [[change.kind, len(change.text)] for change in changes(left, right)]


def _said(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str, indent=1)


def _cut(text: str) -> str:
    left = len(text) - LONGEST
    return text if left <= 0 else f"{text[:LONGEST]}\n... {left:,} characters more stand in the journal"


def _time(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


def _finite(value: float | None) -> float | None:
    return round(value, 6) if value is not None and math.isfinite(value) else None


def _some(**values: Any) -> Values:
    """Those that say something; False does only where it is a verdict."""
    told = {name: value for name, value in values.items() if value is not None and value not in ("", [], {})}
    return {name: value for name, value in told.items() if value is not False or name == "correct"}
