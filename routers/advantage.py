"""Have a draft's step rewritten where a trained scorer expects the target's to be better.

Source: Maheswaran et al. 2025, "Arbitrage: Efficient Reasoning via Advantage-Aware Speculation", arXiv 2512.05033,
section 4: the scorer reads the problem and all steps, each with a tag that says which model wrote it, and gives the
probability that the target's own step would earn the higher process reward. A tie with tau keeps the draft.
"""

from dataclasses import dataclass, replace
from typing import Final

from ..backends.base import Context, Piece
from ..backends.model import Model
from ..verifiers.base import Score, Step
from .base import Decision

DRAFT_TAG: Final = "Model 0: "
TARGET_TAG: Final = "Model 1: "


@dataclass(frozen=True, slots=True)
class AdvantageRouter:
    """The rule `P(the target's step is better) <= tau`; target: the name under which the target's steps stand."""

    model: Model
    target: str
    tau: float

    async def __call__(self, context: Context, step: Step) -> Decision:
        """Ask the scorer. Raises: BudgetExceeded, BackendError."""
        candidate = step.completion.piece("think", author="")  # the draft's, whatever its name
        seen = await self.model.rewards(tagged(context.append(candidate), self.target), purpose="router")
        chance = seen.values[-1]
        accept = chance <= self.tau
        reason = f"{chance:.0%} that the target's is better" + ("" if accept else f", above {self.tau:g}")
        return Decision(accept=accept, score=Score(value=chance, signal="advantage", reason=reason, cost=seen.usage))


def tagged(context: Context, target: str) -> Context:
    """A context as the scorer reads it: every step says who wrote it, and is encoded anew."""
    return Context(tuple(_tag(piece, target) for piece in context.pieces), context.writing)


def _tag(piece: Piece, target: str) -> Piece:
    if piece.role != "assistant":
        return piece
    return replace(piece, text=(TARGET_TAG if piece.author == target else DRAFT_TAG) + piece.text, ids={})
