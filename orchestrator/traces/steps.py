"""Reads a step from its event, and finds what belongs to it: its calls, its judge, the drafts that it stands in for.

An event names the step's place, not its calls. A step's own call is the latest that wrote its text as its author in the
scope above; what came after that call and wrote no step is its rating. Chains that run side by side within one scope
could only mix up calls that wrote the same text.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from ...budget.cost import Cost
from ...budget.events import Event
from .parts import RATES, Call, Scope, Step

_FAR: Final = 64  # calls back from a step among which its own is looked for


def step_of(event: Event, scope: Scope) -> Step:
    """The step that an event tells of, with its calls and the drafts before it."""
    told = cast("Mapping[str, Any]", event.payload)
    score, index = told.get("score"), told.get("index")
    step = Step(
        id=event.id,
        path=event.path,
        index=index if isinstance(index, int) else 0,
        author=str(told.get("author", "")),
        kept=bool(told.get("kept", True)),
        text=str(told.get("text", "")),
        began=event.t,
        ended=event.t,
        number=len(scope.steps),
        stop=str(told.get("stop", "")),
        score=float(score) if isinstance(score, int | float) else None,
        signal=str(told.get("signal") or ""),
        reason=str(told.get("reason") or ""),
        cost=event.cost or Cost(),
        digits=tuple(told.get("digits") or ()),
        lengths=tuple(told.get("lengths") or ()),
        logprobs=tuple(told.get("logprobs") or ()),
        entropies=tuple(told.get("entropies") or ()),
    )
    _take_calls(step, scope)
    _replace(step, scope)
    return step


def _take_calls(step: Step, scope: Scope) -> None:
    raters: list[Call] = []
    for call in reversed(scope.calls[-_FAR:]):
        if call.step or call.ended is None:
            continue
        if call.purpose in RATES:
            raters.append(call)
        elif call.role == step.author and call.text == step.text:
            call.text = step.text  # one string, not two
            step.calls = [call, *raters[::-1]]
            step.began = call.began
            for one in step.calls:
                one.step = step
            return


def _replace(step: Step, scope: Scope) -> None:
    """What was thrown away at the same place just before is what this one stands in for."""
    for earlier in reversed(scope.steps):
        if earlier.path != step.path or earlier.kept:
            return
        earlier.instead = step
        step.rejected.insert(0, earlier)
