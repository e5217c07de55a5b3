"""How likely a model finds another model's step: the least, or the mean, log-probability of its tokens.

Nothing is asked: the reading costs only the step's own tokens, which the model must read anyway if the step is kept.
"""

from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from ..backends.base import Context
from ..backends.model import Model
from .base import Score, Step

Reduction = Literal["min", "mean"]


@dataclass(frozen=True, slots=True)
class LikelihoodVerifier:
    """Scores steps by teacher-forced natural log-probabilities; 0 is certain, more negative is less likely."""

    model: Model
    reduction: Reduction = "min"

    async def __call__(self, context: Context, step: Step) -> Score:
        """At most 0; an empty step scores 0. Raises: BudgetExceeded, BackendError."""
        seen = await self.model.score(context, step.completion.piece("think", step.author))
        reduce = min if self.reduction == "min" else fmean
        value = float(reduce(seen.logprobs)) if seen.logprobs else 0.0
        reason = f"{self.reduction} log-probability {value:.2f}"
        return Score(value=value, signal=f"{self.reduction}_logprob", reason=reason, cost=seen.usage)
