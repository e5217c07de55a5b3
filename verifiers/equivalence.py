"""Whether two proposals for the same next step say the same: free where they are one text, else asked of a model.

Source: Fu et al. 2025, "Scaling Speculative Decoding with Lookahead Reasoning", arXiv 2506.19830, section 3.2: case and
spaces do not count; what differs then goes to a judge, who answers with one token, or to the cosine of two embeddings.
Where we differ: the judge's word is read from its distribution, restricted to yes and no, so that an answer that is
neither is a no that says so. Steps that do not end alike are never the same, such as one that closes the thinking and
one that goes on; of a step that its cap cut only the very same text is.
"""

import math
from dataclasses import dataclass
from typing import Final

from ..backends.model import Model
from .base import Score, Step

YES: Final = ("yes", "Yes")
NO: Final = ("no", "No")


@dataclass(frozen=True, slots=True)
class SameText:
    """Two steps are the same where their texts are, but for case and spaces; asks nobody."""

    async def __call__(self, left: Step, right: Step) -> Score:
        """1 or 0."""
        same = fold(left.text) == fold(right.text) and ends_alike(left, right)
        return Score(value=float(same), signal="same_text", reason="the same text" if same else "another text")


@dataclass(frozen=True, slots=True)
class SameByJudge:
    """A model says whether two steps say the same, where their texts do not settle it."""

    model: Model

    async def __call__(self, left: Step, right: Step) -> Score:
        """From 0 to 1: its probability of yes against no. Raises: BudgetExceeded, BackendError."""
        if (plain := await settled(left, right)) is not None:
            return plain
        seen = await self.model.peek(self.model.same(left.text, right.text), (*YES, *NO), purpose="judge")
        yes, no = (sum(math.exp(seen.logprobs.get(text, -math.inf)) for text in texts) for texts in (YES, NO))
        value = yes / (yes + no) if yes + no else 0.0
        reason = f"{value:.0%} yes" if yes + no >= 0.5 else f"{value:.0%} yes, but only {yes + no:.0%} on yes or no"
        return Score(value=value, signal="same_judge", reason=reason, cost=seen.usage)


@dataclass(frozen=True, slots=True)
class SameByEmbedding:
    """How close two steps lie in a model's embedding, where their texts do not settle it."""

    model: Model

    async def __call__(self, left: Step, right: Step) -> Score:
        """The cosine, from -1 to 1. Raises: BudgetExceeded, BackendError."""
        if (plain := await settled(left, right)) is not None:
            return plain
        seen = await self.model.embed([left.text.strip(), right.text.strip()], purpose="judge")
        value = sum(a * b for a, b in zip(*seen.vectors, strict=True))
        return Score(value=value, signal="same_embedding", reason=f"cosine {value:.2f}", cost=seen.usage)


async def settled(left: Step, right: Step) -> Score | None:
    """The score of steps that need no judge: the same text, ends that no wording makes alike, or a step that is cut."""
    plain = await SameText()(left, right)
    return plain if plain.value or not ends_alike(left, right) or _end(left) == "cut" else None


def fold(text: str) -> str:
    """A text without what does not count: case, and how wide its spaces are."""
    return " ".join(text.split()).casefold()


def ends_alike(left: Step, right: Step) -> bool:
    """Whether both are whole steps, both end the thinking, or both were cut."""
    return _end(left) == _end(right)


def _end(step: Step) -> str:
    stop = step.completion.stop
    return "closed" if stop in ("think_end", "eos") else "whole" if stop == "delimiter" else "cut"
