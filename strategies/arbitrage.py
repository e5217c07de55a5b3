"""A draft model writes each reasoning step; it is rewritten where a router expects the target's to be better.

Source: Maheswaran et al. 2025, "Arbitrage: Efficient Reasoning via Advantage-Aware Speculation", arXiv 2512.05033,
sections 3 (oracle) and 4 (router).
Where we differ from the paper's code: the target writes only what is escalated, as a saving needs, while the code
writes both always; a tie with tau keeps the draft, as in the paper; thinking and answer have budgets of their own, and
the answer is written by whoever wrote last; a step that its cap cut is gone on with.
"""

from dataclasses import replace
from statistics import fmean
from typing import Any, Final, Literal

from ..routers.advantage import AdvantageRouter
from ..verifiers.base import Problem, Step
from ..verifiers.process_reward import ProcessReward
from .base import Answer, Run
from .chain import Chain, Count, Pace, Temperature, Tokens, TopP
from .speculation import speculate

Mode = Literal["router", "oracle"]
CALIBRATED: Final = ("tau", "above")


async def arbitrage(
    problem: Problem,
    run: Run,
    *,
    tau: float = 0.5,
    mode: Mode = "router",
    margin: float = 0.0,
    samples: Count = 1,
    answer_by: Literal["last", "draft", "target"] = "last",
    overlap: bool = False,
    temperature: Temperature = 0.6,
    top_p: TopP = 0.95,
    step_tokens: Count = 512,
    think_tokens: Tokens = 8192,
    answer_tokens: Count = 2048,
) -> Answer:
    """A draft writes each step; a trained router sends those to the target that it would write better.

    tau: keep the draft up to this probability that the target's step is better; routers are not calibrated, and 0.5 is
    seldom what a wanted share of the target asks for. mode: router, or oracle, for analysis: both models write every
    step, the process reward chooses, and the loser is paid as wasted. margin: the oracle takes the target's step where
    its reward is higher by more than this. samples: steps that the target writes for the oracle, whose mean reward
    counts and whose first may stand. overlap: draft the next step while the router reads.
    """
    pace = Pace(
        temperature=temperature,
        top_p=top_p,
        step_tokens=step_tokens,
        think_tokens=think_tokens,
        answer_tokens=answer_tokens,
    )
    if mode == "router":
        router = AdvantageRouter(run.model("router"), run.target.name, tau)
        chain = await speculate(problem, run, router, pace, overlap=overlap)
    else:
        chain = await rivalry(problem, run, pace, margin, samples)
    return await chain.answer(chain.last_author(run.draft) if answer_by == "last" else run.model(answer_by))


def needs(*, mode: Mode = "router", **_: Any) -> dict[str, set[str]]:
    """What each role must be able to do, by the mode."""
    reader = "router" if mode == "router" else "reward"
    return {"draft": {"generate", "continue"}, "target": {"generate", "continue"}, reader: {"reward"}}


async def rivalry(problem: Problem, run: Run, pace: Pace, margin: float, samples: int) -> Chain:
    """The oracle: both models write every step, and the target's stands if its reward is higher by more than margin."""
    reward = ProcessReward(run.model("reward"))
    authors = [run.draft, run.target, *(run.target.at(f"{run.path}/sample-{i}", run.ledger) for i in range(1, samples))]

    async def write(chain: Chain) -> Step:
        drafted, *own = await run.gather([chain.propose(author) for author in authors])
        alike = {_words(step): step for step in (drafted, *own)}
        found = await run.gather(reward(chain.context, step) for step in alike.values())
        rated = dict(zip(alike, found, strict=True))
        mean = fmean(rated[_words(step)].value for step in own)
        draft, target = rated[_words(drafted)], replace(rated[_words(own[0])], value=mean)
        told = f"{draft.value:.2f} against {mean:.2f}"
        scored = [
            replace(drafted, score=replace(draft, reason=told)),
            replace(own[0], score=replace(target, reason=told)),
        ]
        better, worse = reversed(scored) if mean - draft.value > margin else scored
        for step in (*own[1:], worse):
            chain.reject(step)
        return better

    return await Chain.begin(problem, run, pace).think(write)


def _words(step: Step) -> tuple[str, str]:
    """What a reward reads of a step."""
    return step.completion.text, step.completion.stop
