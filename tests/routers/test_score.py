import math

import pytest

from headgate.backends.base import Completion, Context
from headgate.budget.cost import Cost
from headgate.routers.score import ScoreRouter
from headgate.verifiers.base import Score, Step

STEP = Step(completion=Completion(text="a", stop="delimiter", usage=Cost()), author="draft")


@pytest.mark.parametrize(
    ("score", "threshold", "accept"),
    [
        (7.0, 7.0, True),
        (6.999, 7.0, False),
        (7.001, 7.0, True),
        (0.0, 0.0, True),
        (9.0, 9.0, True),
        (9.0, 9.1, False),
        (-math.inf, -5.0, False),
        (-math.inf, -math.inf, True),
        (math.nan, 0.0, False),
    ],
)
async def test_a_step_stands_at_the_threshold_or_above(score: float, threshold: float, accept: bool) -> None:
    async def verifier(context: Context, step: Step) -> Score:
        return Score(value=score, signal="given")

    decision = await ScoreRouter(verifier, threshold)(Context.ask("Go."), STEP)
    assert decision.accept is accept
    assert decision.score.signal == "given"


async def test_the_verifier_is_asked_about_this_step_after_this_context() -> None:
    asked = list[tuple[Context, Step]]()

    async def verifier(context: Context, step: Step) -> Score:
        asked.append((context, step))
        return Score(value=5, signal="given")

    context = Context.ask("Go.")
    await ScoreRouter(verifier, 7)(context, STEP)
    assert asked == [(context, STEP)]
