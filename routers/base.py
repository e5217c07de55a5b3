"""What a router says: whether the draft's step stands, or the draft may write it, and by which signal."""

from dataclasses import dataclass
from typing import Protocol

from ..backends.base import Context
from ..verifiers.base import Score, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The draft's step, or the target's; `score` is the signal that decided, with its value and the reason.

    accept: the draft's step stands, or before there is one, the draft writes it.
    """

    accept: bool
    score: Score


class Router(Protocol):
    """Decides after a draft has been written."""

    async def __call__(self, context: Context, step: Step) -> Decision:
        """Decide on a step after this context. Raises: BudgetExceeded, BackendError."""
        ...


class EarlyRouter(Protocol):
    """Decides before anything is written."""

    async def __call__(self, context: Context) -> Decision:
        """Decide who writes the next step of this context. Raises: BudgetExceeded, BackendError."""
        ...
