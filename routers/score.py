"""Accept a step when a verifier's score reaches a threshold; a tie accepts."""

from dataclasses import dataclass, replace

from ..backends.base import Context
from ..verifiers.base import Step, StepVerifier
from .base import Decision


@dataclass(frozen=True, slots=True)
class ScoreRouter:
    """The rule `score >= threshold` over any step verifier."""

    verifier: StepVerifier
    threshold: float

    async def __call__(self, context: Context, step: Step) -> Decision:
        """Ask the verifier. Raises: BudgetExceeded, BackendError."""
        score = await self.verifier(context, step)
        if score.value >= self.threshold:
            return Decision(accept=True, score=score)
        below = f"{score.reason}, below {self.threshold:g}"
        return Decision(accept=False, score=replace(score, reason=below))
