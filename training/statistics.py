"""How well a number tells wrong from right.

Source: Hanley and McNeil 1982, "The Meaning and Use of the Area under a Receiver Operating Characteristic (ROC) Curve",
Radiology 143.
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
