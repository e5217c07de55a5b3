"""A draft model writes each reasoning step; a target model rates it with one token and rewrites the bad ones.

Source: Pan et al. 2025, "SpecReason: Fast and Accurate Inference-Time Compute via Speculative Reasoning",
arXiv 2504.07891, section 4.1; `overlap` is what the paper names as future work.
Where we differ from the paper and its code: the rating is read from the ten digits only and may be their mean
("expected", so that a fractional threshold means something) or replaced by the target's own log-probability of the
step; thinking and answer have budgets of their own, and the answer is written by whoever closed the thinking; a
proposal to stop thinking is rated like any step; a step cut by its cap is continued, not closed with a delimiter; steps
that repeat in pairs end the chain. A score equal to the threshold accepts.
"""

from dataclasses import replace
from typing import Annotated, Any, Literal

from annotated_types import Ge

from ..routers.score import ScoreRouter
from ..verifiers.base import Problem, Step, StepVerifier
from ..verifiers.digit_judge import DigitJudge
from ..verifiers.likelihood import LikelihoodVerifier
from ..verifiers.uniform import UniformVerifier
from .ahead import Ahead
from .base import Answer, Run
from .chain import Chain, Count, Pace, Temperature, Tokens, TopP

Signal = Literal["expected", "greedy", "min_logprob", "mean_logprob", "uniform"]


async def spec_reason(
    problem: Problem,
    run: Run,
    *,
    threshold: float = 7.0,
    score: Signal = "expected",
    first_n: Annotated[int, Ge(0)] = 0,
    answer_by: Literal["last", "draft", "target"] = "last",
    overlap: bool = False,
    temperature: Temperature = 0.6,
    top_p: TopP = 0.95,
    step_tokens: Count = 512,
    think_tokens: Tokens = 8192,
    answer_tokens: Count = 2048,
) -> Answer:
    """A draft writes each step; the target rates it with one token and rewrites the bad ones.

    threshold: accept at this score or above, in the score's own units (0 to 9; log-probabilities are at most 0).
    score: what rates a step: the target's digit, its mean or its argmax; the target's least or mean log-probability
    of the step; or "uniform", a blind control. first_n: steps that the target writes, unrated. overlap: draft the next
    step while this one is rated, which costs no time where the two models do not share a machine, and the tokens of a
    draft for every step that is rewritten.
    """
    router = ScoreRouter(verifier(run, score), threshold)
    pace = Pace(
        temperature=temperature,
        top_p=top_p,
        step_tokens=step_tokens,
        think_tokens=think_tokens,
        answer_tokens=answer_tokens,
    )

    async def write(chain: Chain) -> Step:
        if chain.index < first_n:
            return await chain.propose(run.target)
        step = await ahead.take()  # (1) the draft speculates
        ahead.begin(after=step)
        decision = await router(chain.context, step)  # (2) the target rates
        if decision.accept:
            return replace(step, score=decision.score)  # (3) it stands
        chain.reject(step, decision.score)
        await ahead.drop()
        return await chain.propose(run.target)  # (4) or the target writes it, unrated

    chain = Chain.begin(problem, run, pace)
    async with Ahead(chain, run.draft, early=overlap) as ahead:
        await chain.think(write)
    return await chain.answer(chain.last_author(run.draft) if answer_by == "last" else run.model(answer_by))


def needs(*, score: Signal = "expected", **_: Any) -> dict[str, set[str]]:
    """What each role must be able to do, by the signal."""
    reading = {"expected": {"peek"}, "greedy": {"peek"}, "min_logprob": {"score"}, "mean_logprob": {"score"}}
    return {"draft": {"generate", "continue"}, "target": {"generate", "continue"} | reading.get(score, set())}


def verifier(run: Run, score: Signal) -> StepVerifier:
    """The verifier behind a score's name."""
    match score:
        case "expected" | "greedy":
            return DigitJudge(run.target, score)
        case "min_logprob":
            return LikelihoodVerifier(run.target, "min")
        case "mean_logprob":
            return LikelihoodVerifier(run.target, "mean")
        case "uniform":
            return UniformVerifier(run.rng("uniform").getrandbits(63))
