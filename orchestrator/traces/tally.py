"""What was spent, as figures that are added to in place: a `Cost` that many calls flow into."""

from dataclasses import dataclass
from typing import Self

from ...budget.cost import NANO, Cost


@dataclass(slots=True)
class Tally:
    """A running sum of costs; units as in `Cost`, seconds are those that models and tools were busy."""

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    calls: int = 0
    tool_calls: int = 0
    nanodollars: int = 0
    seconds: float = 0.0

    @property
    def tokens(self) -> int:
        """New work, as limits count it."""
        return self.input + self.cache_write + self.output

    @property
    def dollars(self) -> float:
        """For people."""
        return self.nanodollars / NANO

    def add(self, cost: Cost) -> None:
        """One cost more."""
        self.input += cost.input
        self.cached_input += cost.cached_input
        self.cache_write += cost.cache_write
        self.output += cost.output
        self.reasoning += cost.reasoning
        self.calls += cost.calls
        self.nanodollars += cost.nanodollars
        self.seconds += cost.seconds
        if cost.tool_calls:
            self.tool_calls += sum(cost.tool_calls.values())

    def subtract(self, cost: Cost) -> None:
        """One cost less."""
        self.add(Cost() - cost)

    def __iadd__(self, other: "Tally") -> Self:
        self.input += other.input
        self.cached_input += other.cached_input
        self.cache_write += other.cache_write
        self.output += other.output
        self.reasoning += other.reasoning
        self.calls += other.calls
        self.tool_calls += other.tool_calls
        self.nanodollars += other.nanodollars
        self.seconds += other.seconds
        return self
