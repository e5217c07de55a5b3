"""What a step of a word problem works out: one operation, written with every quantity's name right before its value.

Where we differ: a step that writes first names and then numbers (`Kim=2*Ola=2*216`) has its reader find a value by a
name that stands several words back. Here a name is followed by its value at once (`2*Ola216`), so that reading on from
the name's last mention is enough (Olsson et al. 2022, "In-context Learning and Induction Heads", arXiv 2209.11895).
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Operand(NamedTuple):
    """A number, or a quantity's name right before its value, where a reader need not search for it again."""

    value: int
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name}{self.value}"


NOTHING = Operand(0)


@dataclass(frozen=True, slots=True)
class Formula:
    """An operation on one operand (none: the same again) or on two."""

    sign: str  # one of SIGNS
    left: Operand
    right: Operand = NOTHING

    def __str__(self) -> str:
        return SIGNS[self.sign][0].format(self.left, self.right)

    @property
    def value(self) -> int:
        return SIGNS[self.sign][1](self.left.value, self.right.value)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(operand.name for operand in (self.left, self.right) if operand.name)

    @property
    def partial(self) -> tuple[str, ...]:
        """What stands between a product of two-digit numbers and its result: its tens and ones apart."""
        n, m = self.left.value, self.right.value
        if self.sign != "*" or min(n, m) < 11:
            return ()
        tens, ones = m // 10 * 10, m % 10
        return f"{n}*{tens}+{n}*{ones}", f"{n * tens}+{n * ones}"


SIGNS: Mapping[str, tuple[str, Callable[[int, int], int]]] = {
    "": ("{0}", lambda a, b: a),
    "+": ("{0}+{1}", operator.add),
    "-": ("{0}-{1}", operator.sub),
    "*": ("{0}*{1}", operator.mul),
    "/": ("{0}/{1}", operator.floordiv),
    "mod": ("{0} mod {1}", operator.mod),
    "max": ("max({0},{1})", max),
    "min": ("min({0},{1})", min),
}
