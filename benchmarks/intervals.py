"""Intervals at 95 %: of shares (Wilson 1927), and of the difference of two shares over the same items."""

import math
from collections.abc import Sequence

from ..orchestrator.console.figures import Z, wilson

__all__ = ["paired", "wilson"]


def paired(left: Sequence[bool], right: Sequence[bool]) -> tuple[float, float, float]:
    """Difference of two shares over the same items, and its normal interval from the discordant pairs (Wald)."""
    n = len(left)
    only_left = sum(a and not b for a, b in zip(left, right, strict=True))
    only_right = sum(b and not a for a, b in zip(left, right, strict=True))
    difference = (only_left - only_right) / n
    error = math.sqrt(max(only_left + only_right - n * difference**2, 1)) / n
    return difference, difference - Z * error, difference + Z * error
