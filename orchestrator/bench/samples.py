"""What several samples of one problem are worth: pass@k, and the vote of k of them.

Source of pass@k: Chen et al. 2021, "Evaluating Large Language Models Trained on Code", arXiv 2107.03374, section 2.1,
the unbiased estimator. The vote is held over every k of the n samples (over 256 drawn ones where there are more ways
to choose); a tie gives each of its winners an equal part, as drawing the samples in another order would.
"""

import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

_MOST: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One answer to a problem: its vote, equal for answers that say the same, "" for none; and whether it is right."""

    vote: str
    right: bool


def pass_at(n: int, right: int, k: int) -> float:
    """The chance that at least one of k out of n samples is right. Raises: ValueError unless 1 <= k <= n."""
    if not 1 <= k <= n:
        raise ValueError(f"pass@{k} needs {k} samples, at least 1; there are {n}")
    return 1.0 - math.comb(n - right, k) / math.comb(n, k)


def majority_at(samples: Sequence[Sample], k: int) -> float:
    """The chance that the most frequent answer of k of these is right. Raises: ValueError unless 1 <= k <= n."""
    if not 1 <= k <= len(samples):
        raise ValueError(f"majority@{k} needs {k} samples, at least 1; there are {len(samples)}")
    chances = [_vote(chosen) for chosen in _choices(samples, k)]
    return sum(chances) / len(chances)


def _vote(chosen: Iterable[Sample]) -> float:
    """The share of the winners that are right; a sample without an answer does not vote."""
    votes = Counter(sample.vote for sample in chosen if sample.vote)
    if not votes:
        return 0.0
    most = max(votes.values())
    winners = {vote for vote, count in votes.items() if count == most}
    right = {sample.vote for sample in chosen if sample.right}
    return len(winners & right) / len(winners)


def _choices(samples: Sequence[Sample], k: int) -> Iterator[tuple[Sample, ...]]:
    if math.comb(len(samples), k) <= _MOST:
        yield from combinations(samples, k)
        return
    rng = random.Random(0)
    for _ in range(_MOST):
        yield tuple(rng.sample(samples, k))
