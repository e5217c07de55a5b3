"""How good a step is, by a model that was trained to tell: a process reward from 0 to 1.

Source: Liao et al. 2025, "Reward-Guided Speculative Decoding for Efficient LLM Reasoning", arXiv 2501.19324, section 3:
the reward of the candidate, read behind the problem and all steps before it. How a model's input is worded and which
public ones can be named stands in `backends/reward.py`. Where we differ: a candidate that shows the model nothing, as
one that only ends the thinking mostly does, has the reward of the step before it, and 1 where there is none.
"""

from dataclasses import dataclass

from ..backends.base import Context
from ..backends.model import Model
from .base import Score, Step


@dataclass(frozen=True, slots=True)
class ProcessReward:
    """Scores steps by a process reward model; changes nobody's context."""

    model: Model

    async def __call__(self, context: Context, step: Step) -> Score:
        """From 0 to 1; of a candidate of several steps, the last one's. Raises: BudgetExceeded, BackendError."""
        read = await self.model.rewards(context.append(step.completion.piece("think", step.author)))
        value = read.values[-1] if read.values else 1.0
        reason = f"reward {value:.2f}" if read.values else "nothing to reward yet"
        return Score(value=value, signal="process_reward", reason=reason, cost=read.usage)
