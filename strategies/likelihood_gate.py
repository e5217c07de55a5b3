"""A draft model writes each reasoning step; it stands where the target model finds none of its tokens unlikely.

Source: our own rule, beside the papers'. Its step is drafted and rewritten as in Pan et al. 2025, "SpecReason", arXiv
2504.07891; its signal is that of token-level speculative decoding (Leviathan et al. 2022, arXiv 2211.17192), read once
a step and without its guarantee: the target reads the draft's step, asked nothing, which costs the step's own tokens
and no others, and which it must read anyway if the step is kept.
When it is worth it: where the target knows better than it can cheaply say, and a right step has few wordings. A text
that may be said in many ways is unlikely in each of them, and "mean" forgives a rare word where "min" does not; both
fade with paraphrase, and a judge that is asked does not. A value equal to the threshold accepts.
"""

from typing import Annotated, Final, Literal

from annotated_types import Ge, Interval, Le

from ..routers.score import ScoreRouter
from ..verifiers.base import Problem
from ..verifiers.likelihood import LikelihoodVerifier, Reduction
from .base import Answer, Run
from .chain import Count, Pace, Temperature, Tokens, TopP
from .speculation import first, speculate

CALIBRATED: Final = ("threshold", "below")
NEEDS: Final = {"draft": {"generate", "continue"}, "target": {"generate", "continue", "score"}}


async def likelihood_gate(
    problem: Problem,
    run: Run,
    *,
    threshold: Annotated[float, Le(0)] = -2.5,
    reduction: Reduction = "min",
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
    """A draft writes each step; the target rewrites those that it finds unlikely.

    threshold: accept at this natural log-probability or above; 0 accepts only what is certain. reduction: that of the
    step's least likely token, or the mean of all. first_n: steps that the target writes, undecided. overlap: draft the
    next step while this one is read. plenty: below this share of the budget ever fewer of the unlikely steps are
    rewritten; 0 rewrites them to the end.
    """
    router = ScoreRouter(LikelihoodVerifier(run.target, reduction), threshold)
    pace = Pace(
        temperature=temperature,
        top_p=top_p,
        step_tokens=step_tokens,
        think_tokens=think_tokens,
        answer_tokens=answer_tokens,
    )
    chain = await speculate(problem, run, router, pace, lead=first(first_n), overlap=overlap, plenty=plenty)
    return await chain.answer(chain.last_author(run.draft) if answer_by == "last" else run.model(answer_by))
