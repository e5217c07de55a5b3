"""Intervals at 95 %: of shares, and of the difference between two recipes over the same problems.

Sources: E. B. Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (158), for
shares; B. Efron 1979, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 7 (1), for differences
that are resampled; Korn and Graubard 1998, "Confidence Intervals for Proportions with Small Expected Number of Positive
Counts Estimated from Survey Data", Survey Methodology 24 (2), for shares of problems that were each tried several
times: Wilson's interval at the number of independent trials that would vary as much; McNemar 1947, Psychometrika 12
(2), for whether a difference could be chance, its signs flipped at random where it is not of single tries.
"""

import math
import random
from collections.abc import Sequence
from typing import Final

Z: Final = 1.959963984540054  # 95 % of a normal distribution lies within this many standard deviations
RESAMPLES: Final = 2000


def wilson(right: float, n: float, z: float = Z) -> tuple[float, float]:
    """The interval of a share, 95 % unless told otherwise; of no share at all, everything."""
    if n == 0:
        return 0.0, 1.0
    share, spread = right / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def clustered(shares: Sequence[float], tries: int) -> tuple[float, float]:
    """The interval of the mean of shares, one a problem over `tries` tries each; tries alike count as one."""
    n = len(shares)
    if tries == 1 or n < 2:
        return wilson(sum(shares), n)
    mean = sum(shares) / n
    variance = sum((share - mean) ** 2 for share in shares) / (n - 1)
    effective = n * mean * (1 - mean) / variance if variance else n
    effective = min(max(effective, n), n * tries)
    return wilson(mean * effective, effective)


def paired(left: Sequence[bool], right: Sequence[bool]) -> tuple[float, float, float]:
    """Difference of two shares over the same items, and its normal interval from the discordant pairs (Wald)."""
    n = len(left)
    only_left = sum(a and not b for a, b in zip(left, right, strict=True))
    only_right = sum(b and not a for a, b in zip(left, right, strict=True))
    difference = (only_left - only_right) / n
    error = math.sqrt(max(only_left + only_right - n * difference**2, 1)) / n
    return difference, difference - Z * error, difference + Z * error


def bootstrap(
    left: Sequence[float], right: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float, float]:
    """Mean difference over the same items, and its percentile interval when whole items are drawn again.

    Raises: ValueError where there are no items, or the two are not the same number.
    """
    differences = [a - b for a, b in zip(left, right, strict=True)]
    if not differences:
        raise ValueError("a difference needs at least one item")
    rng, n = random.Random(seed), len(differences)
    means = sorted(sum(rng.choices(differences, k=n)) / n for _ in range(resamples))
    tail = round(0.025 * (resamples - 1))
    return sum(differences) / n, means[tail], means[-1 - tail]


def chance(left: Sequence[float], right: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES) -> float:
    """The two-sided p-value of a mean difference over the same items: how often flipped signs differ as much.

    Exact, from the binomial, where each item differs by a whole or not at all; drawn otherwise.
    """
    differences = [a - b for a, b in zip(left, right, strict=True) if a != b]
    if all(abs(one) == 1 for one in differences):
        return _binomial(sum(one > 0 for one in differences), len(differences))
    rng, seen = random.Random(seed), abs(sum(differences)) - 1e-12
    beyond = sum(abs(sum(one if rng.random() < 0.5 else -one for one in differences)) >= seen for _ in range(resamples))
    return (beyond + 1) / (resamples + 1)


def _binomial(wins: int, n: int) -> float:
    """How often a fair coin's n throws are at least as far from even as so many wins."""
    fewer = min(wins, n - wins)
    return min(1.0, float(2 * sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n))
