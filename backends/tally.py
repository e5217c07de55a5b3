"""What an engine counts of one request while it works on it."""

from ..budget.cost import Cost


class Tally:
    """Tokens by class, calls and busy seconds so far."""

    input: int
    cached: int
    output: int
    reasoning: int

    def __init__(self) -> None:
        self.input = self.cached = self.output = self.reasoning = 0
        self.calls = 1
        self.seconds = 0.0

    @property
    def usage(self) -> Cost:
        """What was really computed for it, so far."""
        return Cost(
            input=self.input,
            cached_input=self.cached,
            output=self.output,
            reasoning=self.reasoning,
            calls=self.calls,
            seconds=self.seconds,
        )
