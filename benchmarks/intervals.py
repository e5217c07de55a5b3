"""Intervals for shares and for paired differences of shares, at 95 %."""

import math
from collections.abc import Sequence

Z = 1.959963985


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The Wilson score interval of a share (Wilson 1927)."""
    if n == 0:
        return 0.0, 1.0
    share, z2 = hits / n, Z * Z
    centre, scale = share + z2 / (2 * n), 1 + z2 / n
    half = Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return (centre - half) / scale, (centre + half) / scale


def paired(left: Sequence[bool], right: Sequence[bool]) -> tuple[float, float, float]:
    """Difference of two shares over the same items, and its normal interval from the discordant pairs (Wald)."""
    n = len(left)
    only_left = sum(a and not b for a, b in zip(left, right, strict=True))
    only_right = sum(b and not a for a, b in zip(left, right, strict=True))
    difference = (only_left - only_right) / n
    error = math.sqrt(max(only_left + only_right - n * difference**2, 1)) / n
    return difference, difference - Z * error, difference + Z * error
