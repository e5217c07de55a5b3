"""A process reward model without weights, for tests and demonstrations: it says of each step what it is told to say."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ..budget.cost import Cost
from .base import Context, Rewards
from .scripted import Replies, Scripted, Skill, Speaker

DELIMITER: Final = "\n\n"
Critic = Callable[[str, Sequence[str]], Sequence[float]]  # a problem and the steps of its solution to their rewards


@dataclass(slots=True)
class ScriptedReward(Scripted):
    """Rewards by a critic: by the text of a step, by what a skill model knows, or by any function."""

    speaker: Speaker = field(default_factory=lambda: Replies(()))
    critic: Critic = lambda problem, steps: [1.0] * len(steps)

    def __post_init__(self) -> None:
        self.capabilities = replace(self.capabilities, operations=frozenset({"reward"}))

    async def rewards(self, context: Context) -> Rewards:
        """A reward for each step that says something."""
        problem = "\n\n".join(piece.text for piece in context.pieces if piece.role == "user")
        said = [piece.text.split(DELIMITER) for piece in context.pieces if piece.role == "assistant"]
        steps = [step.strip() for texts in said for step in texts if step.strip()]
        usage = self._prefill(context) + Cost(seconds=self.seconds_per_call)
        return Rewards(values=tuple(self.critic(problem, steps)), usage=usage)


def by_text(rewards: Mapping[str, float], otherwise: float = 1.0) -> Critic:
    """Rewards by what a step says."""
    return lambda problem, steps: [rewards.get(step, otherwise) for step in steps]


def by_skill(skill: Skill, right: float = 0.9, wrong: float = 0.1) -> Critic:
    """Rewards of a model that knows the solutions: a step is right in its place or it is wrong."""

    def critic(problem: str, steps: Sequence[str]) -> list[float]:
        solution, _ = skill.solutions.get(problem, ((), ""))
        expected = [*solution, *[""] * len(steps)]
        return [right if step == known else wrong for step, known in zip(steps, expected, strict=False)]

    return critic
