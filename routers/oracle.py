"""A router that is told the truth: what the best signal could buy, for analysis and never for use."""

from collections.abc import Callable
from dataclasses import dataclass

from ..backends.base import Context
from ..verifiers.base import Problem, Score, Step
from .base import Decision

Truth = Callable[[Problem, Context, Step], float]


@dataclass(frozen=True, slots=True)
class OracleRouter:
    """Keeps a draft's step whose worth, by a function of problem, context and step, is at least `threshold`."""

    problem: Problem
    worth: Truth
    threshold: float = 0.5

    async def __call__(self, context: Context, step: Step) -> Decision:
        """Decide by the truth."""
        value = float(self.worth(self.problem, context, step))
        accept = value >= self.threshold
        reason = f"worth {value:g}, {'at least' if accept else 'below'} {self.threshold:g}"
        return Decision(accept=accept, score=Score(value=value, signal="oracle", reason=reason))
