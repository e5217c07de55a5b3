"""One budget over all runs of a bench: what it leaves to the next of them, and which answers it cut short.

Runs follow each other, and the ledger of each is limited to what the others left, so that the sum passes no cap.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast

from ...budget.cost import NANO, Cost, Limits
from ...strategies.base import Answer
from ..errors import RecipeError

_REFUSED: Final = re.compile(r"`run` has \S+ (\S+) left")
_LATE: Final = re.compile(r"is past its deadline")


def allowance(own: Limits, total: Limits, spent: Cost, seconds: float) -> Limits:
    """A run's own limits for all its problems, lessened to what the bench has left after `spent` and `seconds`.

    Raises: RecipeError where one limits tools by name, and the other all tools together.
    """
    left: dict[str, Any] = {
        "tokens": _left(total.tokens, spent.tokens),
        "output": _left(total.output, spent.output),
        "dollars": _left(total.dollars, spent.nanodollars, NANO),
        "seconds": _left(total.seconds, seconds),
        "tool_calls": _tools(total.tool_calls, spent),
    }
    return replace(own, **{unit: _less(unit, getattr(own, unit), more) for unit, more in left.items()})


def refused(answer: Answer, own: Limits, allowed: Limits, *, late: bool) -> bool:
    """Whether the bench's budget, rather than the recipe's, kept a problem from its end. late: its time is over."""
    if answer.status != "exhausted":
        return False
    if late and allowed.seconds != own.seconds and _LATE.search(answer.reason):
        return True
    unit = _REFUSED.search(answer.reason)
    if unit is not None and _of(allowed, unit[1]) != _of(own, unit[1]):
        return True
    return any(refused(candidate, own, allowed, late=late) for candidate in answer.candidates)


def _of(limits: Limits, unit: str) -> object:
    return getattr(limits, unit.partition(".")[0], None)


def _left(cap: Any, used: Any, scale: int = 1) -> Any:
    """What is left of a cap, never below zero; exact where the cap is."""
    if cap is None:
        return None
    left = cap - (type(cap)(used) / scale if scale > 1 else used)
    return max(left, type(cap)(0))


def _tools(cap: int | Mapping[str, int] | None, spent: Cost) -> int | Mapping[str, int] | None:
    if isinstance(cap, Mapping):
        return {name: max(0, most - spent.tool_calls.get(name, 0)) for name, most in cap.items()}
    return None if cap is None else max(0, cap - sum(spent.tool_calls.values()))


def _less(unit: str, own: Any, left: Any) -> Any:
    if own is None or left is None:
        return left if own is None else own
    if isinstance(own, Mapping) != isinstance(left, Mapping):
        what = f"`budget.total.{unit}` limits tools by name in one place, and all together in the other"
        raise RecipeError(what, file="--budget-total", hint="write both in one way")
    if isinstance(own, Mapping):
        own, left = cast(Mapping[str, int], own), cast(Mapping[str, int], left)
        return {name: min(own.get(name, left.get(name)), left.get(name, own.get(name))) for name in {**own, **left}}
    return min(own, left)
