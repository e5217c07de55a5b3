"""What solved problems cost, model by model and use by use, and what one model alone would have cost."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Final

from ...budget.cost import Cost
from ...budget.prices import Price
from ...strategies.base import Answer
from ..agent import Solved

_USES: Final = {"think": "kept", "wasted": "wasted", "answer": "answer"}  # what else is spent is spent on judging


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens written, by use, and everything else that a model cost."""

    kept: int = 0
    wasted: int = 0
    judge: int = 0
    answer: int = 0
    cost: Cost = field(default_factory=Cost)

    @classmethod
    def of(cls, purpose: str, cost: Cost) -> "Usage":
        """What one purpose of a bill cost."""
        return cls(cost=cost, **{_USES.get(purpose, "judge"): cost.output})

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            kept=self.kept + other.kept,
            wasted=self.wasted + other.wasted,
            judge=self.judge + other.judge,
            answer=self.answer + other.answer,
            cost=self.cost + other.cost,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """What one model alone cost, or would have; seconds is None where nothing tells its pace."""

    usage: Usage
    measured: bool
    seconds: float | None


def by_model(solved: Iterable[Solved]) -> dict[str, Usage]:
    """What each model cost over all problems, in order of first use."""
    usages: dict[str, Usage] = {}
    for (model, purpose), cost in (item for one in solved for item in one.answer.bill.items()):
        usages[model] = usages.get(model, Usage()) + Usage.of(purpose, cost)
    return usages


def total(usages: Iterable[Usage]) -> Usage:
    """All together."""
    return reduce(Usage.__add__, usages, Usage())


def measured(compare: Sequence[Solved]) -> Alone:
    """What a run of the model alone did cost."""
    usage = total(by_model(compare).values())
    return Alone(usage=usage, measured=True, seconds=usage.cost.seconds)


def estimated(solved: Sequence[Solved], model: str, price: Price | None) -> Alone:
    """What `model` would have cost, had it written every kept step and the answer itself, from the same questions.

    Its seconds follow from its own measured seconds per token; None if it wrote nothing.
    """
    chains = [_chain(one.answer) for one in solved]
    prompt, kept, answer = (math.ceil(sum(part)) for part in zip(*chains, strict=True))
    cost = Cost(input=prompt, output=kept + answer, calls=2 * len(solved))
    if price:  # one by one: a long prompt may have rates of its own
        each = (price.nanodollars(Cost(input=round(read), output=round(w + a))) for read, w, a in chains)
        cost = replace(cost, nanodollars=sum(each))
    pace = seconds_per_token(solved, model)
    seconds = None if pace is None else pace * cost.output
    return Alone(usage=Usage(kept=kept, answer=answer, cost=cost), measured=False, seconds=seconds)


def seconds_per_token(solved: Iterable[Solved], model: str) -> float | None:
    """How long a model took for a token that it wrote; None if it wrote none."""
    bills = [one.answer.bill for one in solved]
    wrote = reduce(Cost.__add__, (bill.get((model, use), Cost()) for bill in bills for use in _USES), Cost())
    return wrote.seconds / wrote.output if wrote.output else None


def unpriced(models: Iterable[str], prices: Mapping[str, Price | None]) -> list[str]:
    """Models whose dollars count as nothing."""
    return [model for model in models if prices.get(model) is None]


def _chain(answer: Answer) -> tuple[float, float, float]:
    """Tokens of the question, of the kept steps and of the answer; of the mean candidate where there are only those."""
    if answer.candidates and not answer.steps:
        chains = [_chain(candidate) for candidate in answer.candidates]
        question, kept, said = (sum(part) / len(chains) for part in zip(*chains, strict=True))
        return question, kept, said
    usages = [step.completion.usage for step in answer.steps]
    written = answer.completion.usage if answer.completion else Cost()
    first = usages[0] if usages else written
    kept = sum(step.completion.usage.output for step in answer.steps if step.kept)
    return first.input + first.cached_input, kept, written.output
