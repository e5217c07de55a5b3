"""A draft model writes each reasoning step; it stands where a process reward is high, else a target model rewrites it.

Source: Liao et al. 2025, "Reward-Guided Speculative Decoding for Efficient LLM Reasoning", arXiv 2501.19324,
section 3, with the binary weight r >= delta.
Where we differ from the paper's code: thinking and answer have budgets of their own, and the answer is written by
whoever wrote last; a problem waits for no other one; a step that its cap cut is gone on with; the next step may be
drafted while this one is scored. A reward equal to delta keeps the draft.
"""

from typing import Final, Literal

from ..routers.score import ScoreRouter
from ..verifiers.base import Problem
from ..verifiers.process_reward import ProcessReward
from .base import Answer, Run
from .chain import Count, Pace, Temperature, Tokens, TopP
from .speculation import speculate

CALIBRATED: Final = ("delta", "below")
NEEDS: Final = {"draft": {"generate", "continue"}, "target": {"generate", "continue"}, "reward": {"reward"}}


async def rsd(
    problem: Problem,
    run: Run,
    *,
    delta: float = 0.7,
    answer_by: Literal["last", "draft", "target"] = "last",
    overlap: bool = False,
    temperature: Temperature = 0.6,
    top_p: TopP = 0.95,
    step_tokens: Count = 512,
    think_tokens: Tokens = 8192,
    answer_tokens: Count = 2048,
) -> Answer:
    """A draft writes each step; a process reward keeps it, or the target rewrites it.

    delta: the reward, in [0, 1], at which a draft's step stands; at 0 the draft is alone, above 1 the target is.
    overlap: draft the next step while this one is scored.
    """
    router = ScoreRouter(ProcessReward(run.model("reward")), delta)
    pace = Pace(
        temperature=temperature,
        top_p=top_p,
        step_tokens=step_tokens,
        think_tokens=think_tokens,
        answer_tokens=answer_tokens,
    )
    chain = await speculate(problem, run, router, pace, overlap=overlap)
    return await chain.answer(chain.last_author(run.draft) if answer_by == "last" else run.model(answer_by))
