"""A step's tokens as three short strings: lengths, log-probabilities and entropies, which would else be most of a page.

Numbers are written in digits of base 64. A length is one digit, or `.` and three. A log-probability is written
without its sign and in hundredths, an entropy (in nats) in hundredths, each as two digits up to 40.95; `..` is none.
"""

from collections.abc import Iterable
from typing import Final

from ..traces import Step

DIGITS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_BASE: Final = len(DIGITS)


def figures(step: Step) -> list[str]:
    """The three strings of a step; empty where its journal tells nothing of its tokens."""
    if not step.lengths:
        return []
    return ["".join(map(_length, step.lengths)), _hundredths(step.logprobs, -1), _hundredths(step.entropies, 1)]


def _length(n: int) -> str:
    return DIGITS[n] if 0 <= n < _BASE else f".{_digits(min(max(n, 0), _BASE**3 - 1), 3)}"


def _hundredths(values: Iterable[float | None], sign: int) -> str:
    known = list(values)
    if all(value is None for value in known):
        return ""
    return "".join(".." if value is None else _two(sign * value) for value in known)


def _two(value: float) -> str:
    most = _BASE**2 - 1
    return _digits(most if value >= most / 100 else max(0, round(100 * value)), 2)


def _digits(n: int, places: int) -> str:
    return "".join(DIGITS[n // _BASE**place % _BASE] for place in reversed(range(places)))
