"""A batch as rows, one a problem: how it ended, what it cost, how long it took."""

from dataclasses import dataclass

from .parts import Scope
from .tally import Tally
from .tree import RunTree


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A problem; correct is None where nobody knows. seconds: from its beginning to its end."""

    scope: Scope
    number: int
    status: str
    correct: bool | None
    spent: Tally
    seconds: float

    @property
    def verdict(self) -> str:
        """right, wrong, or nothing that is known."""
        return "" if self.correct is None else "right" if self.correct else "wrong"


def rows(tree: RunTree) -> list[Row]:
    """A row for each problem, in the order in which they began."""
    return [row(scope, number) for number, scope in enumerate(tree.problems, start=1)]


def row(scope: Scope, number: int) -> Row:
    """One problem's row."""
    return Row(
        scope=scope,
        number=number,
        status=scope.status,
        correct=scope.correct,
        spent=scope.total,
        seconds=scope.seconds,
    )
