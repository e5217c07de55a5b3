"""Steps are given to the target by chance: the control that every routing strategy has to beat at the same share.

Source: none; every paper of the family compares with it.
"""

from dataclasses import replace
from typing import Annotated, Final, Literal

from annotated_types import Interval

from ..routers.random import RandomRouter
from ..verifiers.base import Problem, Step
from .base import Answer, Run
from .chain import Chain, Count, Pace, Temperature, Tokens, TopP
from .speculation import speculate

NEEDS: Final = {"draft": {"generate", "continue"}, "target": {"generate", "continue"}}


async def random_routing(
    problem: Problem,
    run: Run,
    *,
    share: Annotated[float, Interval(ge=0, le=1)] = 0.25,
    when: Literal["before", "after"] = "before",
    answer_by: Literal["last", "draft", "target"] = "last",
    temperature: Temperature = 0.6,
    top_p: TopP = 0.95,
    step_tokens: Count = 512,
    think_tokens: Tokens = 8192,
    answer_tokens: Count = 2048,
) -> Answer:
    """The target writes a share of the steps, drawn by chance; the draft writes the others.

    share: the probability that a step is the target's. when: before the draft writes, or after, so that its step is
    wasted as it is by a strategy that looks at it.
    """
    router = RandomRouter(share, run.rng("share").getrandbits(63))
    pace = Pace(
        temperature=temperature,
        top_p=top_p,
        step_tokens=step_tokens,
        think_tokens=think_tokens,
        answer_tokens=answer_tokens,
    )

    async def write(chain: Chain) -> Step:
        decision = await router(chain.context)
        return replace(await chain.propose(run.draft if decision.accept else run.target), score=decision.score)

    if when == "after":
        chain = await speculate(problem, run, router, pace)
    else:
        chain = await Chain.begin(problem, run, pace).think(write)
    return await chain.answer(chain.last_author(run.draft) if answer_by == "last" else run.model(answer_by))
