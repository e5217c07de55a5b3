"""Let the target in with a fixed probability, whatever the models say; the draws are seeded, one a place."""

import random
from dataclasses import dataclass

from ..backends.model import derive
from ..verifiers.base import Score
from .base import Decision


@dataclass(frozen=True, slots=True)
class Gate:
    """Open to the target with probability `p`, and at the first `always` places; place and seed decide each draw."""

    p: float
    seed: int
    always: int = 0

    def __call__(self, place: int) -> Decision:
        """Whether the draft writes here; the score is the draw, in [0, 1), which opens the gate below `p`."""
        draw = random.Random(derive(self.seed, str(place))).random()
        if place < self.always:
            return _decided(draw, f"one of the first {self.always}", accept=False)
        shut = draw >= self.p
        return _decided(draw, f"drew {draw:.2f}, {'not ' * shut}below {self.p:g}", accept=shut)


def _decided(draw: float, reason: str, *, accept: bool) -> Decision:
    return Decision(accept=accept, score=Score(value=draw, signal="gate", reason=reason))
