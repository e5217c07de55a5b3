"""One model thinks and answers, alone: the baseline of every other strategy.

`step_tokens` cuts its thinking into steps, each a call of its own, which greedy decoding cannot tell apart from one.
"""

from typing import Final

from ..verifiers.base import Problem, Step
from .base import Answer, Run
from .chain import Chain, Count, Pace, Temperature, Tokens, TopP

NEEDS: Final = {"model": {"generate"}}


async def direct(
    problem: Problem,
    run: Run,
    *,
    temperature: Temperature = 0.6,
    top_p: TopP = 0.95,
    step_tokens: Count | None = None,
    think_tokens: Tokens = 8192,
    answer_tokens: Count = 2048,
) -> Answer:
    """One model thinks and answers, alone."""
    pace = Pace(
        temperature=temperature,
        top_p=top_p,
        step_tokens=step_tokens,
        think_tokens=think_tokens,
        answer_tokens=answer_tokens,
    )
    model = run.model("model")

    async def write(chain: Chain) -> Step:
        return await chain.propose(model)

    chain = await Chain.begin(problem, run, pace).think(write)
    return await chain.answer(model)
