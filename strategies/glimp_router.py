"""The draft writes a step if it is sure of the step's first token; otherwise the target writes it. No draft is wasted.

Source: Zeng et al. 2026, "GlimpRouter: Efficient Collaborative Inference by Glimpsing One Token of Thoughts",
arXiv 2601.05110, in our reading of its code and of notes on the paper.
Where we differ: the probed token is the step's first token, in one call with it (`compat` probes greedily, discards the
token and lets the step begin afresh, as the code does); the entropy is the whole vocabulary's ("top20" is the code's:
thresholds do not carry over from one to the other); a tie is the draft's, as in the paper; a tau of 0 is 0; what
follows a step that was cut by its cap is routed anew; steps that repeat in pairs end the chain.
"""

from dataclasses import replace
from typing import Any, Final

from ..routers.base import Decision
from ..routers.entropy import Entropy, EntropyRouter
from ..verifiers.base import Problem, Step
from .base import Answer, Run
from .chain import Chain, Count, Pace, Temperature, Tokens, TopP

CALIBRATED: Final = ("tau", "above")


async def glimp_router(
    problem: Problem,
    run: Run,
    *,
    tau: float = 0.9,
    entropy: Entropy = "exact",
    compat: bool = False,
    temperature: Temperature = 0.6,
    top_p: TopP = 0.95,
    step_tokens: Count = 512,
    think_tokens: Tokens = 8192,
    answer_tokens: Count = 2048,
) -> Answer:
    """A draft writes the steps whose first token it is sure of; the target writes the others, and the answer.

    tau: nats; the target writes where the entropy exceeds it, and at 0 or below everything. entropy: the whole
    vocabulary's; that of the 20 likeliest tokens, renormalised; or a server's lower bound. The latter two probe in a
    call of their own. compat: probe in a call of its own in any case.
    """
    router = EntropyRouter(run.draft, tau, entropy)
    apart = compat or entropy != "exact"
    pace = Pace(
        temperature=temperature,
        top_p=top_p,
        step_tokens=step_tokens,
        think_tokens=think_tokens,
        answer_tokens=answer_tokens,
    )

    async def write(chain: Chain) -> Step:
        if tau <= 0:
            return await chain.propose(run.target)
        if apart:
            decision = await router(chain.context)  # (1) probe, (2) its entropy
            step = await chain.propose(run.draft) if decision.accept else None  # (3) at most tau: the draft
        else:
            step, decision = await glimpse(chain, router)  # (1) to (3) at once
        return replace(step or await chain.propose(run.target), score=decision.score)  # (4) above: the target

    chain = await Chain.begin(problem, run, pace).think(write)
    return await chain.answer(run.target)


def needs(*, entropy: Entropy = "exact", compat: bool = False, **_: Any) -> dict[str, set[str]]:
    """What each role must be able to do, by how the draft is probed."""
    probe = "peek" if compat or entropy != "exact" else "entropy_stop"
    return {"draft": {"generate", "continue", probe}, "target": {"generate", "continue"}}


async def glimpse(chain: Chain, router: EntropyRouter) -> tuple[Step | None, Decision]:
    """The draft's next step, begun only where the router lets it; a call that wrote nothing is billed as a probe."""
    step = await chain.write(router.draft, replace(chain.sampling, entropy_stop=router.stop))
    decision = router.read(step.completion)
    if decision.accept:
        return chain.adopt(step), decision
    chain.run.ledger.rebook(step.completion.usage, step.author, "think", "probe")
    return None, decision
