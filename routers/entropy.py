"""Let the draft write a step whose first token it is sure of: decided before the step, by one next-token distribution.

Source: Zeng et al. 2026, "GlimpRouter: Efficient Collaborative Inference by Glimpsing One Token of Thoughts",
arXiv 2601.05110. Entropies are in nats, of the model's own distribution before temperature. A tie is the draft's, as in
the paper (its code gives it to the target).
"""

import math
from dataclasses import dataclass
from typing import Literal

from ..backends.base import TOP, Completion, Context, EntropyStop, NextToken
from ..backends.errors import Refused
from ..backends.model import Model
from ..budget.cost import Cost
from ..verifiers.base import Score
from .base import Decision

Entropy = Literal["exact", "top20", "bound"]


@dataclass(frozen=True, slots=True)
class EntropyRouter:
    """The draft writes where the entropy of its next token is at most `tau` nats.

    reading: the whole vocabulary's; that of the 20 likeliest tokens, renormalised, at most ln 20; or what the backend
    tells, which may be a lower bound: the target is then asked too seldom, never too often.
    """

    draft: Model
    tau: float
    reading: Entropy = "exact"

    @property
    def stop(self) -> EntropyStop:
        """What ends a step before its first token where the target is to write it: probe and step in one call."""
        return EntropyStop(above=self.tau, within=1)

    def read(self, glimpse: Completion) -> Decision:
        """What was decided by a step that was written under `stop`."""
        nats = glimpse.entropies[0] if glimpse.entropies else math.nan
        return self._decision(nats, accept=glimpse.stop != "entropy", cost=Cost())

    async def __call__(self, context: Context) -> Decision:
        """Look at the draft's next token and leave no mark. Raises: BudgetExceeded, BackendError."""
        told = self.draft.backend.capabilities.entropy
        if self.reading == "exact" and told != "exact":
            hint = "write `entropy: bound`, or `entropy: top20`, or take `local` or `vllm`"
            raise Refused(f"`{self.draft.name}` knows its entropy as {told.replace('_', ' ')} only", hint=hint)
        seen = await self.draft.peek(context)
        nats = self._top(seen) if self.reading == "top20" else seen.entropy
        return self._decision(nats, accept=nats <= self.tau, cost=seen.usage)

    def _top(self, seen: NextToken) -> float:
        if len(seen.top) < TOP and sum(map(math.exp, seen.top)) < 0.999:
            hint = f"write `engine.top_logprobs: {TOP}`, or `entropy: bound`"
            raise Refused(f"`{self.draft.name}` tells of {len(seen.top)} next tokens, not of {TOP}", hint=hint)
        return renormalised(seen.top[:TOP])

    def _decision(self, nats: float, *, accept: bool, cost: Cost) -> Decision:
        reason = f"first token at {nats:.2f} nats, " + ("at most" if accept else "above") + f" {self.tau:g}"
        return Decision(accept=accept, score=Score(value=nats, signal="first_entropy", reason=reason, cost=cost))


def renormalised(logprobs: tuple[float, ...]) -> float:
    """The entropy, in nats, of a distribution in proportion to these natural logs' probabilities."""
    total = sum(map(math.exp, logprobs))
    return -sum(p * math.log(p) for log in logprobs if (p := math.exp(log) / total) > 0)
