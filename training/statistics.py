"""How well a number tells wrong from right, or puts others in their order.

Sources: Hanley and McNeil 1982, "The Meaning and Use of the Area under a Receiver Operating Characteristic (ROC)
Curve", Radiology 143. Bonett and Wright 2000, "Sample Size Requirements for Estimating Pearson, Kendall and Spearman
Correlations", Psychometrika 65.
"""

import math
from collections.abc import Sequence

from ..orchestrator.intervals import Z


def auroc(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """The chance that a positive scores above a negative, ties counted half; nan where one of the two is missing."""
    positives, negatives = sum(positive), len(positive) - sum(positive)
    if not positives or not negatives:
        return math.nan
    ranks = _ranks(scores)
    above = sum(rank for rank, is_positive in zip(ranks, positive, strict=True) if is_positive)
    return (above - positives * (positives + 1) / 2) / (positives * negatives)


def spearman(left: Sequence[float], right: Sequence[float]) -> float:
    """The correlation of two orders, ties sharing their mean rank; nan where one of the two has only ties."""
    pairs = [_ranks(left), _ranks(right)]
    middle = (len(left) + 1) / 2
    x, y = ([rank - middle for rank in ranks] for ranks in pairs)
    spread = math.sqrt(sum(a * a for a in x) * sum(b * b for b in y))
    return sum(a * b for a, b in zip(x, y, strict=True)) / spread if spread else math.nan


def bonett_wright(rho: float, count: int) -> float:
    """Half the width of the 95 % interval of a Spearman correlation, on the scale of its inverse hyperbolic tangent."""
    return Z * math.sqrt((1 + rho * rho / 2) / (count - 3)) if count > 3 else math.nan


def _ranks(scores: Sequence[float]) -> list[float]:
    """Ranks from 1; ties share the mean of theirs."""
    order, ranks = sorted(range(len(scores)), key=scores.__getitem__), [0.0] * len(scores)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and scores[order[end]] == scores[order[start]]:
            end += 1
        for i in order[start:end]:
            ranks[i] = (start + end + 1) / 2
        start = end
    return ranks


def hanley_mcneil(area: float, positives: int, negatives: int) -> float:
    """Half the width of the 95 % interval of an AUROC."""
    if not positives or not negatives or math.isnan(area):
        return math.nan
    q1, q2 = area / (2 - area), 2 * area * area / (1 + area)
    spread = (positives - 1) * (q1 - area * area) + (negatives - 1) * (q2 - area * area)
    return Z * math.sqrt(max(0.0, (area * (1 - area) + spread) / (positives * negatives)))
