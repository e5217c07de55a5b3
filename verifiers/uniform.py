"""A score drawn blindly, uniform on [0, 9]: the control that every other signal has to beat at the same share."""

import random
from dataclasses import dataclass

from ..backends.base import Context
from ..backends.model import derive
from .base import Score, Step


@dataclass(frozen=True, slots=True)
class UniformVerifier:
    """Draws from a seed and the step's place in its chain; asks no model."""

    seed: int

    async def __call__(self, context: Context, step: Step) -> Score:
        """From 0 to 9, blind to the step."""
        value = random.Random(derive(self.seed, str(len(context.pieces)))).uniform(0, 9)
        return Score(value=value, signal="uniform", reason=f"drew {value:.2f} of 9")
