"""The draft thinks; the target begins, replaces what the draft is too sure of, and helps where it hesitates.

Source: "TrigReason", 2026, arXiv 2604.14847, in our reading of secondary sources: the target writes the first n = 20
steps; it replaces a step of whose tokens more than rho have a perplexity below 1.05 (rho = .85 for a 1.5 B draft, .75
for one of 0.6 B); after some hesitant steps in a row it writes one. How many they are and what makes a step hesitant is
not known to us: `hesitant` steps in a row with one of the words `doubts`, the last of them the draft's.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from annotated_types import Ge, Interval

from ..routers.over_confidence import OverConfidenceRouter
from ..verifiers.base import Problem
from .base import Answer, Run
from .chain import Chain, Count, Pace, Temperature, Tokens, TopP
from .speculation import speculate
from .words import any_of

CALIBRATED: Final = ("rho", "above")
NEEDS: Final = {"draft": {"generate", "continue"}, "target": {"generate", "continue"}}


async def trig_reason(
    problem: Problem,
    run: Run,
    *,
    first_n: Annotated[int, Ge(0)] = 20,
    rho: Annotated[float, Interval(ge=0, le=1)] = 0.85,
    perplexity: Annotated[float, Ge(1)] = 1.05,
    hesitant: Count = 3,
    doubts: Sequence[str] = ("wait", "hmm", "alternatively", "hold on"),
    answer_by: Literal["last", "draft", "target"] = "last",
    temperature: Temperature = 0.6,
    top_p: TopP = 0.95,
    step_tokens: Count = 512,
    think_tokens: Tokens = 8192,
    answer_tokens: Count = 2048,
) -> Answer:
    """A draft thinks; a target writes the first steps, those that the draft is too sure of, and one after some doubts.

    first_n: steps that the target writes. rho: the target replaces a step of whose tokens more than this share had a
    perplexity below `perplexity`; 1 replaces none. hesitant: steps with doubts in a row after which the target writes
    one. doubts: words that make a step hesitant.
    """
    router = OverConfidenceRouter(rho, perplexity)
    hesitation = any_of(doubts)
    pace = Pace(
        temperature=temperature,
        top_p=top_p,
        step_tokens=step_tokens,
        think_tokens=think_tokens,
        answer_tokens=answer_tokens,
    )

    def lead(chain: Chain) -> bool:
        last = chain.kept[-hesitant:]
        doubting = len(last) == hesitant and all(hesitation.search(step.text) for step in last)
        return chain.index < first_n or (doubting and last[-1].author == run.draft.name)

    chain = await speculate(problem, run, router, pace, lead=lead)
    return await chain.answer(chain.last_author(run.draft) if answer_by == "last" else run.model(answer_by))
