"""The root of every error headgate raises on purpose, the budget's own, and how to say what would have been right."""

from collections.abc import Iterable


class HeadgateError(Exception):
    """An error whose message is meant for a person: what, with figures, and what would have been right."""


class BudgetExceeded(HeadgateError):
    """A reservation that can never fit: figures only, in the unit that is short.

    `asked` and `left` are counted in `unit`: tokens, output, tool_calls, tool_calls.NAME, nanodollars or seconds.
    """

    def __init__(self, scope: str, unit: str, asked: float, left: float) -> None:
        self.scope, self.unit, self.asked, self.left = scope, unit, asked, left
        super().__init__(self._sentence())

    def __reduce__(self) -> tuple[type["BudgetExceeded"], tuple[str, str, float, float]]:
        return type(self), (self.scope, self.unit, self.asked, self.left)

    def _sentence(self) -> str:
        if self.unit == "seconds":
            return f"`{self.scope}` is past its deadline; raise `budget.seconds`"
        name, asked, left = self.unit, f"{self.asked:g}", f"{self.left:g}"
        if self.unit == "nanodollars":
            name, asked, left = "dollars", f"{self.asked / 1e9:.9f}", f"{self.left / 1e9:.9f}"
        return f"`{self.scope}` has {left} {name} left, {asked} asked; raise `budget.{name}`, or ask for less"


def meant(name: str, allowed: Iterable[str], verb: str = "there are") -> str:
    """The nearest right spelling, and all that would have been right."""
    from difflib import get_close_matches  # once something is wrong, and not at every start

    names = list(allowed)
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    guess = f"did you mean `{close[0]}`? " if close else ""
    return f"{guess}{verb} {', '.join(names)}" if names else f"{guess}{verb} none".strip()
