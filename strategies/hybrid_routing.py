"""The draft's first token says who may write a step, and only where it says little the target is asked for more.

Source: our own composition: the glimpse of "GlimpRouter" (arXiv 2601.05110), which costs nothing; the judged digit of
"SpecReason" (arXiv 2504.07891) or the target's likelihood of the step; and the over-confidence of "TrigReason" (arXiv
2604.14847), which sends a step to the judge that the draft was too sure of. What is judged is a part of the steps, and
what is hopeless is never drafted.
"""

from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from annotated_types import Ge, Interval

from ..routers.base import Router
from ..routers.entropy import EntropyRouter
from ..routers.over_confidence import OverConfidenceRouter
from ..routers.score import ScoreRouter
from ..verifiers.base import Problem, Step
from ..verifiers.digit_judge import DigitJudge
from ..verifiers.likelihood import LikelihoodVerifier
from .base import Answer, Run
from .chain import Chain, Count, Pace, Temperature, Tokens, TopP
from .glimp_router import glimpse

Judge = Literal["digit", "likelihood"]
THRESHOLDS: Final[dict[Judge, float]] = {"digit": 7.0, "likelihood": -2.5}


async def hybrid_routing(
    problem: Problem,
    run: Run,
    *,
    sure: float = 0.1,
    lost: float = 1.0,
    judge: Judge = "digit",
    threshold: float | None = None,
    rho: Annotated[float, Interval(ge=0, le=1)] = 1.0,
    first_n: Annotated[int, Ge(0)] = 0,
    answer_by: Literal["last", "draft", "target"] = "last",
    temperature: Temperature = 0.6,
    top_p: TopP = 0.95,
    step_tokens: Count = 512,
    think_tokens: Tokens = 8192,
    answer_tokens: Count = 2048,
) -> Answer:
    """A draft writes what it is sure of, a target what the draft is lost at; what lies between is judged.

    sure: nats of the step's first token up to which a draft's step stands unjudged. lost: nats above which the target
    writes at once. judge: the target's digit, or its likelihood of the step. threshold: at which a judged step stands:
    7 of 9, or a log-probability of -2.5. rho: a step is judged in any case if the draft was sure of more than this
    share of its tokens. first_n: steps that the target writes.
    """
    early, judged = EntropyRouter(run.draft, lost), judging(run, judge, threshold)
    certain = OverConfidenceRouter(rho)
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
        step, glimpsed = await glimpse(chain, early)
        if step is None:
            return replace(await chain.propose(run.target), score=glimpsed.score)
        if glimpsed.score.value <= sure and (await certain(chain.context, step)).accept:
            return replace(step, score=glimpsed.score)
        decision = await judged(chain.context, step)
        if decision.accept:
            return replace(step, score=decision.score)
        chain.reject(step, decision.score)
        return await chain.propose(run.target)

    chain = await Chain.begin(problem, run, pace).think(write)
    return await chain.answer(chain.last_author(run.draft) if answer_by == "last" else run.model(answer_by))


def needs(*, judge: Judge = "digit", **_: Any) -> dict[str, set[str]]:
    """What each role must be able to do, by the judge."""
    reading = "peek" if judge == "digit" else "score"
    return {"draft": {"generate", "continue", "entropy_stop"}, "target": {"generate", "continue", reading}}


def judging(run: Run, judge: Judge, threshold: float | None) -> Router:
    """The router behind a judge's name."""
    verifier = DigitJudge(run.target) if judge == "digit" else LikelihoodVerifier(run.target)
    return ScoreRouter(verifier, THRESHOLDS[judge] if threshold is None else threshold)
