"""Answers as JSON and back: what a resumed run gives again instead of solving anew.

Packed are the text, how it ended, the steps with their scores, the last completion, the candidates and the bill; cost
and cost by role follow from the bill. Left out are token ids, log-probabilities and entropies, which are as long as all
the rest and serve nobody once an answer stands. What is empty is left out.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from ...backends.base import Completion, Stop
from ...budget.cost import Cost
from ...strategies.base import Answer
from ...verifiers.base import Score, Step
from .lines import cost_values


def pack(answer: Answer) -> dict[str, object]:
    """An answer as JSON has it."""
    return {**pack_end(answer), **pack_rest(answer)}


def pack_end(answer: Answer) -> dict[str, object]:
    """How it ended, which the event that carries an answer says too."""
    return {"text": answer.text, "status": answer.status, "reason": answer.reason}


def pack_rest(answer: Answer, *, bill: bool = True) -> dict[str, object]:
    """How it came about; without its bill, where other events of its place tell that."""
    values: dict[str, object] = {}
    if answer.steps:
        values["steps"] = [_pack_step(step) for step in answer.steps]
    if answer.completion:
        values["completion"] = _pack_completion(answer.completion)
    if answer.candidates:
        values["candidates"] = [pack(candidate) for candidate in answer.candidates]
    if not bill:
        return values
    if answer.bill:
        values["bill"] = [[role, purpose, cost_values(cost)] for (role, purpose), cost in answer.bill.items()]
    elif answer.cost != Cost():
        values["cost"] = cost_values(answer.cost)
        values["cost_by_role"] = {role: cost_values(cost) for role, cost in answer.cost_by_role.items()}
    return values


def unpack(packed: Mapping[str, object]) -> Answer:
    """The answer again. Raises: KeyError, TypeError or ValueError when it is none."""
    values = cast("Mapping[str, Any]", packed)
    bill = {(str(role), str(purpose)): Cost(**cost) for role, purpose, cost in values.get("bill", ())}
    cost, by_role = _summed(bill) if bill else _unbilled(values)
    return Answer(
        text=values["text"],
        status=values["status"],
        reason=values["reason"],
        steps=tuple(_unpack_step(step) for step in values.get("steps", ())),
        candidates=tuple(unpack(candidate) for candidate in values.get("candidates", ())),
        completion=_unpack_completion(values["completion"]) if "completion" in values else None,
        cost=cost,
        cost_by_role=by_role,
        bill=bill,
    )


def with_bill(answer: Answer, bill: Mapping[tuple[str, str], Cost]) -> Answer:
    """The answer with what was spent at its place."""
    cost, by_role = _summed(bill)
    return replace(answer, cost=cost, cost_by_role=by_role, bill=dict(bill))


def _summed(bill: Mapping[tuple[str, str], Cost]) -> tuple[Cost, dict[str, Cost]]:
    by_role: dict[str, Cost] = {}
    for (role, _), cost in bill.items():
        by_role[role] = by_role[role] + cost if role in by_role else cost
    return sum(by_role.values(), start=Cost()), by_role


def _unbilled(values: Mapping[str, Any]) -> tuple[Cost, dict[str, Cost]]:
    by_role = {str(role): Cost(**cost) for role, cost in values.get("cost_by_role", {}).items()}
    return Cost(**values.get("cost", {})), by_role


def _pack_step(step: Step) -> dict[str, object]:
    values: dict[str, object] = {"author": step.author, **_pack_completion(step.completion)}
    if not step.kept:
        values["kept"] = False
    if step.score:
        values["score"] = _pack_score(step.score)
    return values


def _unpack_step(values: Mapping[str, Any]) -> Step:
    score = _unpack_score(values["score"]) if "score" in values else None
    kept = bool(values.get("kept", True))
    return Step(completion=_unpack_completion(values), author=values["author"], kept=kept, score=score)


def _pack_score(score: Score) -> dict[str, object]:
    values: dict[str, object] = {"value": score.value, "signal": score.signal}
    if score.reason:
        values["reason"] = score.reason
    if score.cost != Cost():
        values["cost"] = cost_values(score.cost)
    return values


def _unpack_score(values: Mapping[str, Any]) -> Score:
    value = math.nan if values["value"] is None else values["value"]
    cost = Cost(**values.get("cost", {}))
    return Score(value=value, signal=values["signal"], reason=values.get("reason", ""), cost=cost)


def _pack_completion(completion: Completion) -> dict[str, object]:
    return {"text": completion.text, "stop": completion.stop, "usage": cost_values(completion.usage)}


def _unpack_completion(values: Mapping[str, Any]) -> Completion:
    return Completion(text=values["text"], stop=cast(Stop, values["stop"]), usage=Cost(**values["usage"]))
