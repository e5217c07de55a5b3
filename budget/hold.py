"""What a call may spend: the bound that it asks for, and the hold that it is granted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from .caps import Vector
from .cost import Cost

if TYPE_CHECKING:
    from .ledger import Ledger

_NOTHING = Cost()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The dearest outcome of a call that generates at most n tokens, `least` <= n <= `most`; `cost` grows with n.

    enough: a grant of that many tokens is taken at once rather than waited for; None waits for `most`.
    """

    cost: Callable[[int], Cost]
    most: int = 0
    least: int = 0
    enough: int | None = None

    @classmethod
    def fixed(cls, cost: Cost) -> Self:
        """A call that cannot be shrunk, such as a tool's."""
        return cls(cost=lambda _: cost)


class Hold:
    """What one call may spend, held in its scope and all above until it settles, from any thread."""

    __slots__ = ("_scope", "bound", "id", "purpose", "role", "settled", "shrunk", "tokens", "units")

    def __init__(self, scope: "Ledger", bound: Cost, units: Vector, tokens: int, shrunk: bool) -> None:
        self._scope, self.bound, self.units = scope, bound, units
        self.tokens, self.shrunk = tokens, shrunk
        self.settled: Cost | None = None
        self.id, self.role, self.purpose = 0, "", ""

    def settle(self, actual: Cost | None, **payload: object) -> Cost:
        """Charge what the call cost, or the whole bound where nobody knows (None); a second time does nothing."""
        settled = self.settled
        if settled is None:
            settled = self._scope.charge(self, actual, payload)
        return settled

    def release(self) -> None:
        """Give back a hold whose call never left."""
        if self.settled is None:
            self._scope.give_back(self)
