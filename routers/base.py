"""What a router says: whether a proposed step stands, and by which signal."""

from dataclasses import dataclass
from typing import Protocol

from ..backends.base import Context
from ..verifiers.base import Score, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Accept a step or have it rewritten, with the signal that decided."""

    accept: bool
    score: Score


class Router(Protocol):
    """Decides after a draft has been written."""

    async def __call__(self, context: Context, step: Step) -> Decision:
        """Decide on a step after this context. Raises: BudgetExceeded, BackendError."""
        ...
