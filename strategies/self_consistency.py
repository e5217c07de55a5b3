"""Sample several answers and take the most frequent.

Source: Wang et al. 2023, "Self-Consistency Improves Chain of Thought Reasoning in Language Models", arXiv 2203.11171,
section 2. Where we differ: answers that name the same number are one vote; samples come in waves, and no further wave
is drawn once none could change the result, whatever it said. Ties go to the answer that was sampled first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from annotated_types import Interval

from ..verifiers import numeric
from ..verifiers.base import Problem
from .base import Answer, Run, Status, Strategy
from .chain import Count
from .direct import direct

NEEDS: Final[dict[str, set[str]]] = {}  # those of the strategy that samples


async def self_consistency(
    problem: Problem,
    run: Run,
    *,
    n: Count = 8,
    wave: Count = 4,
    min_agreement: Annotated[float, Interval(ge=0, le=1)] = 0.0,
    strategy: Strategy = direct,
) -> Answer:
    """Sample several answers and take the most frequent.

    n: samples at most. wave: samples drawn at a time, at least one. min_agreement: the share of n below which it
    abstains. strategy: what samples an answer; it should draw at a temperature above 0.
    """
    candidates: list[Answer] = []
    while len(candidates) < n and not decided(candidates, n, min_agreement):
        batch = range(len(candidates), min(n, len(candidates) + max(1, wave)))
        candidates += await run.gather(run.solve(strategy, problem, f"sample-{i}") for i in batch)
    return elect(candidates, n, min_agreement)


@dataclass(frozen=True, slots=True)
class Vote:
    """One distinct answer: how many gave it, and which sample did first."""

    count: int
    first: int


def tally(candidates: Sequence[Answer]) -> list[Vote]:
    """Distinct answers, the winner first; candidates without an answer do not vote."""
    votes: dict[str, Vote] = {}
    for index, candidate in enumerate(candidates):
        if candidate.status == "answered":
            key = numeric.key(candidate.text)
            seen = votes.get(key, Vote(0, index))
            votes[key] = Vote(seen.count + 1, seen.first)
    return sorted(votes.values(), key=lambda vote: (-vote.count, vote.first))


def decided(candidates: Sequence[Answer], n: int, min_agreement: float = 0.0) -> bool:
    """Whether no further sample can change the result: who wins, and whether enough agree."""
    votes, unseen = tally(candidates), n - len(candidates)
    if not votes:
        return False
    best = votes[0]
    # a rival that ties wins only if it came first; a new answer always came later
    rivals = [vote.count + unseen + (vote.first < best.first) for vote in votes[1:]]
    sure = best.count / n >= min_agreement or (best.count + unseen) / n < min_agreement
    return sure and max([*rivals, unseen]) <= best.count


def elect(candidates: Sequence[Answer], n: int, min_agreement: float) -> Answer:
    """The winner's answer, or why there is none."""
    votes = tally(candidates)
    if not votes:
        ends: list[Status] = [c.status for c in candidates if c.status in ("exhausted", "failed")]
        status = ends[0] if ends else "abstained"
        return Answer(text="", status=status, reason="no sample answered", candidates=tuple(candidates))
    text, agreed = candidates[votes[0].first].text, f"{votes[0].count} of {len(candidates)} agree"
    if votes[0].count / n < min_agreement:
        return Answer(text=text, status="abstained", reason=agreed, candidates=tuple(candidates))
    return Answer(text=text, reason=agreed, candidates=tuple(candidates))
