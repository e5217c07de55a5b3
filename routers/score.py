"""Accept a step when a verifier's score reaches a threshold; a tie accepts."""

from dataclasses import dataclass

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
        return Decision(accept=score.value >= self.threshold, score=score)
