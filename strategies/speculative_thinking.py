"""A draft model thinks; a target model takes over for a few tokens where the draft affirms, doubts or checks itself.

Source: Yang et al. 2025, "Speculative Thinking: Enhancing Small-Model Reasoning with Large Model Guidance at Inference
Time", arXiv 2504.12329, section 3; the defaults are those of its code for a 1.5 B draft and a 32 B target.
Where we differ from the code: cues are whole words in either case, and may be any language's; a look without a cue is
kept and gone on with, not written anew; a look ends with its paragraph. What opens a recapitulation has no author: it
costs nothing to write, and everybody reads it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal

from annotated_types import Len

from ..backends.base import Completion, Sampling
from ..budget.cost import Cost
from ..verifiers.base import Problem, Score, Step
from .base import Answer, Run
from .chain import Chain, Count, Pace, Temperature, Tokens, TopP
from .words import any_of

NEEDS: Final = {"draft": {"generate", "continue"}, "target": {"generate", "continue"}}
CUE: Final = "Let me check whether there are some wrong steps:"
Mood = Literal["positive", "negative", "neutral"]
Growing = Annotated[Sequence[Tokens], Len(3, 3)]


async def speculative_thinking(
    problem: Problem,
    run: Run,
    *,
    takeover_tokens: Tokens = 20,
    verify_tokens: Tokens = 125,
    recap_tokens: Growing = (125, 25, 200),
    doubts: Growing | None = (15, 5, 30),
    positive: Sequence[str] = ("yeah", "yes", "final answer", "confident"),
    negative: Sequence[str] = ("wait", "alternatively", "hold on", "another"),
    verify: Sequence[str] = ("verify", "think again", "recap", "check"),
    cue: str = CUE,
    always: bool = False,
    prefer_target: bool = True,
    first_tokens: Tokens = 0,
    answer_by: Literal["last", "draft", "target"] = "draft",
    temperature: Temperature = 0.6,
    top_p: TopP = 0.95,
    top_k: Tokens = 50,
    step_tokens: Count = 1024,
    think_tokens: Tokens = 32_768,
    answer_tokens: Count = 2048,
) -> Answer:
    """A draft thinks; the target takes over for a few tokens where it affirms, doubts or checks itself.

    takeover_tokens: after each paragraph, so much of the draft is searched for cues, and so much the target writes in
    its place; 0 leaves the draft alone. verify_tokens: what the target adds where it then says that it will check.
    recap_tokens: how long the target looks back once there were many doubts: at first, more each time, at most. doubts:
    how many that takes: at first, more each time, at most; None never looks back. positive: cues that affirm. negative:
    cues that doubt. verify: cues that check, which are doubts too; as many doubts as affirmations are a doubt. cue:
    what opens a look back. always: take over whatever the draft says, for one that does not reason. prefer_target:
    keep the target's words also where both are of one mood. first_tokens: of the target, at the very beginning.
    """
    cues = Cues(positive, negative, verify)
    pace = Pace(
        temperature=temperature,
        top_p=top_p,
        step_tokens=step_tokens,
        think_tokens=think_tokens,
        answer_tokens=answer_tokens,
    )
    growth = Growth(*doubts) if doubts else None, Growth(*recap_tokens)
    mentor = Mentor(run, cues, takeover_tokens, verify_tokens, first_tokens, *growth, cue, always, prefer_target, top_k)
    chain = await Chain.begin(problem, run, pace).think(mentor.write)
    return await chain.answer(chain.last_author(run.draft) if answer_by == "last" else run.model(answer_by))


@dataclass(slots=True)
class Growth:
    """A length that grows with every use, up to a most."""

    now: int
    more: int
    most: int

    def grow(self) -> None:
        """Be longer the next time."""
        self.now = max(self.now, min(self.most, self.now + self.more))


class Cues:
    """Whole words that tell what a text is about to do, in either case."""

    def __init__(self, positive: Sequence[str], negative: Sequence[str], verify: Sequence[str]) -> None:
        self._positive, self._negative, self._verify = map(any_of, (positive, negative, verify))

    def mood(self, text: str) -> tuple[Mood, str]:
        """Whether a text affirms or doubts, by how often, and its cues; a tie of some is a doubt."""
        affirming = self._positive.findall(text)
        doubting = [*self._negative.findall(text), *self._verify.findall(text)]
        found = ", ".join(word.casefold() for word in [*affirming, *doubting])
        if not found:
            return "neutral", "no cue"
        return ("positive" if len(affirming) > len(doubting) else "negative"), found

    def verifies(self, text: str) -> bool:
        """Whether a text says that it will check."""
        return self._verify.search(text) is not None


@dataclass(slots=True)
class Mentor:
    """When the target takes over a chain of the draft's, and for how long."""

    run: Run
    cues: Cues
    takeover_tokens: int
    verify_tokens: int
    first_tokens: int
    doubts: Growth | None
    recap: Growth
    cue: str
    always: bool
    prefer_target: bool
    top_k: int
    doubted: int = 0  # since the last look back
    verifying: bool = False

    async def write(self, chain: Chain) -> Step:
        """The next piece of the chain, by whoever's turn it is. Raises: BudgetExceeded, BackendError."""
        if self.first_tokens and not chain.kept:
            return await self._by_target(chain, self.first_tokens)
        if self.verifying:
            self.verifying = False
            return await self._by_target(chain, self.verify_tokens)
        if not self.takeover_tokens or not _at_a_paragraph(chain):
            return await chain.propose(self.run.draft, self._sampling(chain))
        if self.doubts and self.doubted >= self.doubts.now:
            return await self._look_back(chain)
        return await self._look(chain)

    async def _look(self, chain: Chain) -> Step:
        """How the draft begins its next paragraph, or how the target does in its place."""
        short = self._sampling(chain, self.takeover_tokens)
        look = await chain.propose(self.run.draft, short)
        mood, found = self.cues.mood(look.text)
        if mood == "neutral" and not self.always:
            return look
        own = await chain.propose(self.run.target, replace(short, stop=()))
        targets, _ = self.cues.mood(own.text)
        kept, lost = (own, look) if self.prefer_target or targets != mood else (look, own)
        chain.reject(lost)
        self.doubted += (targets if kept is own else mood) == "negative"
        self.verifying = self.verify_tokens > 0 and self.cues.verifies(kept.text)
        return replace(kept, score=Score(value=float(self.doubted), signal="doubts", reason=f"{mood}: {found}"))

    async def _look_back(self, chain: Chain) -> Step:
        """What the target finds wrong, once there were many doubts."""
        assert self.doubts is not None
        cue = Step(completion=Completion(text=self.cue, stop="length", usage=Cost()), author="cue")
        recap = await self._by_target(chain, self.recap.now, after=[cue])
        chain.keep(cue)
        self.doubted = 0
        self.doubts.grow()
        self.recap.grow()
        return recap

    async def _by_target(self, chain: Chain, tokens: int, after: Sequence[Step] = ()) -> Step:
        """So many tokens of the target's, across paragraphs."""
        sampling = replace(self._sampling(chain, tokens), stop=())
        return await chain.propose(self.run.target, sampling, after=after)

    def _sampling(self, chain: Chain, tokens: int | None = None) -> Sampling:
        whole = replace(chain.sampling, top_k=self.top_k)
        return whole if tokens is None else replace(whole, max_tokens=tokens)


def _at_a_paragraph(chain: Chain) -> bool:
    """Whether a paragraph has just ended."""
    last = chain.kept[-1] if chain.kept else None
    return last is not None and (last.completion.stop == "delimiter" or last.text.endswith(chain.pace.delimiter))
