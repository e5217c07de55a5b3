"""A model rates the last step with one digit, 0 to 9, read from its next-token distribution.

Source: Pan et al. 2025, "SpecReason", arXiv 2504.07891, section 4.1: one prefill of the rating request, one token.
Where we differ: the distribution is restricted to the ten digits (with and without a leading space) before it is
read, so that an answer that is no digit is never a silent 0; `mass`, the probability on digits, is in the reason, and
below one half it says that the judge prompt does not fit the model. "greedy" takes the likeliest digit (ties to the
lower), "expected" the mean over the ten.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from ..backends.base import Context
from ..backends.model import Model
from .base import Score, Step

DIGITS: Final = tuple("0123456789")
Reading = Literal["greedy", "expected"]


@dataclass(frozen=True, slots=True)
class DigitJudge:
    """Rates steps by a model's digit; forks the context, so neither model's continuation changes."""

    model: Model
    reading: Reading = "expected"

    async def __call__(self, context: Context, step: Step) -> Score:
        """From 0 to 9. Raises: BudgetExceeded, BackendError."""
        shown = context.append(step.completion.piece("think", step.author))
        seen = await self.model.peek(self.model.judge(shown), DIGITS, purpose="judge")
        value, mass = read(seen.logprobs, self.reading)
        reason = f"{value:.2f} of 9" if mass >= 0.5 else f"{value:.2f} of 9, but only {mass:.0%} on digits"
        shares = tuple(math.exp(seen.logprobs.get(digit, -math.inf)) for digit in DIGITS)
        return Score(value=value, signal=f"digit_{self.reading}", reason=reason, digits=shares, cost=seen.usage)


def read(logprobs: Mapping[str, float], reading: Reading) -> tuple[float, float]:
    """The score in [0, 9], and the share of probability that was on digits; without any, 0 and 0."""
    found = [logprobs.get(digit, -math.inf) for digit in DIGITS]
    if (peak := max(found)) == -math.inf:
        return 0.0, 0.0
    mass = sum(math.exp(logprob) for logprob in found)
    if reading == "greedy":
        return float(found.index(peak)), mass
    weights = [math.exp(logprob - peak) for logprob in found]  # by the peak, so that none underflows to silence
    return min(9.0, sum(digit * weight for digit, weight in enumerate(weights)) / sum(weights)), mass
