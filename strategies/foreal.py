"""The target leads each sentence with its first few tokens, and the draft completes it.

Source: Li et al. 2025, "What makes Reasoning Models Different? Follow the Reasoning Leader for Efficient Decoding"
(FoReaL-Decoding), arXiv 2506.06998, in our reading of notes and reviews; there is no code. Established is: the two
disagree mostly at the beginning of sentences; a gate of probability p decides for each sentence whether the target
leads it, with n tokens; n = 15 and 25 with p = 1 are reported. Ours are: what ends a sentence
(`strategies/sentences.py`), `always_lead_first`, the sampling, and who answers: whoever closed the thinking.

Whether a mark ends a sentence is mostly known one token later. Where that token is more than space, it is the first of
the next sentence if its author is to open it, and is wasted otherwise: at most one token of the draft a sentence.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Final

from annotated_types import Ge, Interval

from ..backends.base import Sampling
from ..backends.model import Model
from ..routers.gate import Gate
from ..verifiers.base import Problem, Score, Step
from .base import Answer, Run
from .chain import Chain, Count, Pace, Temperature, Tokens, TopP
from .sentences import MARKS, Sentence

NEEDS: Final = {"draft": {"generate", "continue"}, "target": {"generate", "continue"}}


async def foreal(
    problem: Problem,
    run: Run,
    *,
    n: Tokens = 15,
    p: Annotated[float, Interval(ge=0, le=1)] = 1.0,
    always_lead_first: Annotated[int, Ge(0)] = 0,
    delimiters: str = MARKS,
    temperature: Temperature = 0.6,
    top_p: TopP = 0.95,
    step_tokens: Count = 512,
    think_tokens: Tokens = 8192,
    answer_tokens: Count = 2048,
) -> Answer:
    """A target writes the first tokens of each sentence, and a draft completes it.

    n: tokens that the target leads a sentence with, at most. p: probability that it leads a sentence.
    always_lead_first: sentences at the beginning that it leads whatever p is. delimiters: the characters that may end a
    sentence.
    """
    gate = Gate(p, run.rng("gate").getrandbits(63), always_lead_first)
    leading = Leading(run.draft, run.target, gate, n, Sentence(delimiters))
    pace = Pace(
        temperature=temperature,
        top_p=top_p,
        step_tokens=step_tokens,
        think_tokens=think_tokens,
        answer_tokens=answer_tokens,
    )
    chain = await Chain.begin(problem, run, pace).think(leading.write)
    return await chain.answer(chain.last_author(run.draft))


@dataclass(slots=True)
class Leading:
    """The sentence at hand.

    begun: how many sentences were, this one included. left: tokens of it that the target may still write. score: what
    the gate said of it, until its first piece tells so.
    """

    draft: Model
    target: Model
    gate: Gate
    n: int
    sentence: Sentence
    begun: int = 0
    left: int = 0
    score: Score | None = None

    @property
    def author(self) -> Model:
        """Who writes its next token."""
        return self.target if self.left else self.draft

    @property
    def led_no_more(self) -> bool:
        """Whether neither this sentence nor any later one can be the target's."""
        return self.n == 0 or (self.gate.p == 0 and self.begun > self.gate.always)

    async def write(self, chain: Chain) -> Step:
        """The next piece of it, by one model."""
        over = self.sentence.over()
        if over or not self.begun:
            self._begin()
        if not self.sentence.text and self.led_no_more:
            return await chain.propose(self.draft)
        author = self.author
        step = await chain.propose(author, self._sampling(chain, unsure=over is None))
        if over is None and self.sentence.over(told := _following(step)) and not told.isspace():
            self._begin()  # with the token that told so, if it is its author's to write
            if self.author is not author:
                chain.reject(step)
                return await self.write(chain)
        return self._took(step)

    def _begin(self) -> None:
        decision = self.gate(self.begun)
        self.begun, self.left, self.score = self.begun + 1, 0 if decision.accept else self.n, decision.score
        self.sentence.begin()

    def _sampling(self, chain: Chain, *, unsure: bool) -> Sampling:
        """Up to a mark, to the end of the lead, or by one token where only that tells whether the sentence is over."""
        plain = chain.sampling
        most = 1 if unsure else self.left or plain.max_tokens
        marks = (*plain.stop, *self.sentence.marks)
        return replace(plain, stop=marks, max_tokens=min(plain.max_tokens, most))

    def _took(self, step: Step) -> Step:
        self.sentence.text += step.text
        self.left = max(0, self.left - step.completion.usage.output)
        step, self.score = replace(step, score=self.score), None  # the gate's word stands at the first piece
        return step


def _following(step: Step) -> str:
    """What a token shows of what follows; "" at the end of the text."""
    ended = step.completion.stop in ("think_end", "eos")
    return step.text or ("" if ended else "?")  # a part of a character is no space
