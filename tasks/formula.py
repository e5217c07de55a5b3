"""What a step of a word problem works out: one operation, written with every quantity's name right before its value.

Where we differ: a step that writes first names and then numbers (`Kim=2*Ola=2*216`) has its reader find a value by a
name that stands several words back. Here a name is followed by its value at once (`2*Ola216`), so that reading on from
the name's last mention is enough (Olsson et al. 2022, "In-context Learning and Induction Heads", arXiv 2209.11895).
"""

from collections.abc import Callable, Iterator, Mapping
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
    def heads(self) -> tuple[str, ...]:
        """Its right spellings: the operands of a sum or a product may change places."""
        turned = Formula(self.sign, self.right, self.left)
        return (str(self), str(turned)) if self.sign in ("+", "*") else (str(self),)

    @property
    def workings(self) -> tuple[tuple[str, ...], ...]:
        """What may stand between the formula and its result, the usual form first: nothing where a head can do it."""
        a, b = self.left.value, self.right.value
        parts = tuple(WORKINGS.get(self.sign, _nothing)(a, b))
        if self.sign == "*" and min(a, b) > 10:
            return parts
        return (*parts, ()) if self.sign == "mod" and a > 99 and parts else ((), *parts)


def _nothing(a: int, b: int) -> Iterator[tuple[str, ...]]:
    return iter(())


def _apart(n: int) -> tuple[int, int]:
    """Tens and ones: 64 is 60 and 4."""
    return n // 10 * 10, n % 10


def _in_two(sign: str) -> Callable[[int, int], Iterator[tuple[str, ...]]]:
    """The tens of the second first, then its ones."""

    def worked(a: int, b: int) -> Iterator[tuple[str, ...]]:
        tens, ones = _apart(b)
        if tens and ones:
            yield f"{a}{sign}{tens}", f"{SIGNS[sign][1](a, tens)}{sign}{ones}"

    return worked


def _multiplied(a: int, b: int) -> Iterator[tuple[str, ...]]:
    """Tens and ones of one factor apart, of the second first."""
    by_hand = min(a, b) > 10
    for n, m in ((a, b), (b, a)):
        tens, ones = _apart(m)
        if tens and (ones or by_hand):
            yield f"{n}*{tens}+{n}*{ones}", f"{n * tens}+{n * ones}"


def _halved(a: int, b: int) -> Iterator[tuple[str, ...]]:
    tens, ones = _apart(a)
    if tens and ones:
        yield f"{tens}/2+{ones}/2", f"{tens // 2}+{ones // 2}"


def _reduced(a: int, b: int) -> Iterator[tuple[str, ...]]:
    """Tens of the divisor taken away first, then the rest of it."""
    tens = a // (10 * b) * 10 * b
    ones = (a - tens) // b * b
    if b < 10 and tens:
        yield f"{a}-{tens}", f"{a - tens}-{ones}"


def _compared(a: int, b: int) -> Iterator[tuple[str, ...]]:
    yield (f"{a}{'<' if a < b else '>' if a > b else '='}{b}",)


WORKINGS: Mapping[str, Callable[[int, int], Iterator[tuple[str, ...]]]] = {
    "+": _in_two("+"),
    "-": _in_two("-"),
    "*": _multiplied,
    "/": _halved,
    "mod": _reduced,
    "max": _compared,
    "min": _compared,
}
SIGNS: Mapping[str, tuple[str, Callable[[int, int], int]]] = {
    "": ("{0}", lambda a, b: a),
    "+": ("{0}+{1}", lambda a, b: a + b),
    "-": ("{0}-{1}", lambda a, b: a - b),
    "*": ("{0}*{1}", lambda a, b: a * b),
    "/": ("{0}/{1}", lambda a, b: a // b),
    "mod": ("{0} mod {1}", lambda a, b: a % b),
    "max": ("max({0},{1})", lambda a, b: max(a, b)),
    "min": ("min({0},{1})", lambda a, b: min(a, b)),
}
