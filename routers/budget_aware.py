"""Ask the target less as the budget runs low: a rule of our own around any router that decides on drafts.

While at least `plenty` of the tightest cap is left the inner router decides alone. Below that a step that it would send
to the target is sent with a probability that falls in proportion to what is left, to nothing where nothing is; the
others stay the draft's. The draws are seeded by the step's place.
"""

from dataclasses import dataclass, replace

from ..backends.base import Context
from ..budget.ledger import Ledger
from ..verifiers.base import Step
from .base import Decision, Router
from .gate import Gate


@dataclass(frozen=True, slots=True)
class BudgetAwareRouter:
    """Another router, spending from `scope`; plenty: the share left, in (0, 1], below which it is held back."""

    inner: Router
    scope: Ledger
    seed: int
    plenty: float = 0.5

    async def __call__(self, context: Context, step: Step) -> Decision:
        """As the inner router decides, or milder. Raises: BudgetExceeded, BackendError."""
        decision = await self.inner(context, step)
        left = share_left(self.scope)
        if decision.accept or left >= self.plenty:
            return decision
        if not Gate(left / self.plenty, self.seed)(len(context.pieces)).accept:
            return decision
        why = f"{decision.score.reason}, but only {left:.0%} of the budget is left"
        return Decision(accept=True, score=replace(decision.score, reason=why))


def share_left(scope: Ledger) -> float:
    """How much of the tightest cap over a scope is not spent yet, from 0 to 1; 1 without a cap."""
    shares = (gauge.room / gauge.cap if gauge.cap else 0.0 for gauge in scope.caps.gauges if not gauge.leased)
    return max(0.0, min(shares, default=1.0))
