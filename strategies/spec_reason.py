"""A draft model writes each reasoning step; a target model rates it with one token and rewrites the bad ones.

Source: Pan et al. 2025, "SpecReason: Fast and Accurate Inference-Time Compute via Speculative Reasoning",
arXiv 2504.07891, section 4.1; `overlap` is what the paper names as future work.
Where we differ from the paper and its code: the rating is read from the ten digits only and may be their mean
("expected", so that a fractional threshold means something); thinking and answer have budgets of their own, and the
answer is written by whoever closed the thinking; a proposal to stop thinking is rated like any step; a step cut by its
cap is continued, not closed with a delimiter; steps that repeat in pairs end the chain. A score equal to the threshold
accepts.
"""

from typing import Annotated, Final, Literal

from annotated_types import Ge, Interval

from ..routers.score import ScoreRouter
from ..verifiers.base import Problem
from ..verifiers.digit_judge import DigitJudge, Reading
from .base import Answer, Run
from .chain import Count, Pace, Temperature, Tokens, TopP
from .speculation import first, speculate

CALIBRATED: Final = ("threshold", "below")
NEEDS: Final = {"draft": {"generate", "continue"}, "target": {"generate", "continue", "peek"}}


async def spec_reason(
    problem: Problem,
    run: Run,
    *,
    threshold: float = 7.0,
    score: Reading = "expected",
    first_n: Annotated[int, Ge(0)] = 0,
    answer_by: Literal["last", "draft", "target"] = "last",
    overlap: bool = False,
    plenty: Annotated[float, Interval(ge=0, le=1)] = 0.0,
    temperature: Temperature = 0.6,
    top_p: TopP = 0.95,
    step_tokens: Count = 512,
    think_tokens: Tokens = 8192,
    answer_tokens: Count = 2048,
) -> Answer:
    """A draft writes each step; the target rates it with one token and rewrites the bad ones.

    threshold: accept at this score or above, 0 to 9. score: the mean of the target's digit, or its argmax. first_n:
    steps that the target writes, unrated. overlap: draft the next step while this one is rated, which costs no time
    where the two models do not share a machine, and a draft's tokens for every step that is rewritten. plenty: below
    this share of the budget ever fewer of the bad steps are rewritten; 0 rewrites them to the end.
    """
    router = ScoreRouter(DigitJudge(run.target, score), threshold)
    pace = Pace(
        temperature=temperature,
        top_p=top_p,
        step_tokens=step_tokens,
        think_tokens=think_tokens,
        answer_tokens=answer_tokens,
    )
    chain = await speculate(problem, run, router, pace, lead=first(first_n), overlap=overlap, plenty=plenty)
    return await chain.answer(chain.last_author(run.draft) if answer_by == "last" else run.model(answer_by))
