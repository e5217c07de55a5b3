"""Have a step rewritten whose author was too sure of it: a small model that errs often errs without a doubt.

Source: "TrigReason", 2026, arXiv 2604.14847, the over-confidence trigger, in our reading of secondary sources: a step
is replaced if the share of its tokens with a perplexity below 1.05 exceeds rho (.85 for R1-Distill-Qwen-1.5B, .75 for
Qwen3-0.6B). A share equal to rho keeps the step, and so does a step that came without log-probabilities.
"""

import math
from dataclasses import dataclass

from ..backends.base import Context
from ..verifiers.base import Score, Step
from .base import Decision


@dataclass(frozen=True, slots=True)
class OverConfidenceRouter:
    """Keeps a step unless more than `rho` of its tokens had a perplexity, 1 / probability, below `perplexity`."""

    rho: float = 0.85
    perplexity: float = 1.05

    async def __call__(self, context: Context, step: Step) -> Decision:
        """Decide by the log-probabilities that the step came with."""
        logs = step.completion.logprobs
        sure = sum(log > -math.log(self.perplexity) for log in logs)
        share = sure / len(logs) if logs else 0.0
        reason = f"sure of {share:.0%} of its tokens" + (f", more than {self.rho:.0%}" if share > self.rho else "")
        return Decision(accept=share <= self.rho, score=Score(value=share, signal="over_confidence", reason=reason))
