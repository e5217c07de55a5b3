"""A seeded share of the steps to the target, blind to what they are: the control that every signal has to beat."""

from dataclasses import dataclass

from ..backends.base import Context
from ..verifiers.base import Step
from .base import Decision
from .gate import Gate


@dataclass(frozen=True, slots=True)
class RandomRouter:
    """Gives each step to the target with probability `share`, before there is a draft or after."""

    share: float
    seed: int

    async def __call__(self, context: Context, step: Step | None = None) -> Decision:
        """Decide by the step's place in its chain alone."""
        return Gate(self.share, self.seed)(len(context.pieces))
