from headgate.backends.base import Completion, Context, Piece
from headgate.budget.cost import Cost
from headgate.verifiers.base import Step
from headgate.verifiers.uniform import UniformVerifier


def step(text: str) -> Step:
    return Step(completion=Completion(text=text, stop="delimiter", usage=Cost()), author="draft")


async def test_a_blind_score_depends_on_the_place_and_not_on_the_step() -> None:
    context = Context.ask("Go.")
    later = context.append(Piece(role="assistant", text="a", part="think"))
    blind = UniformVerifier(seed=4)
    here = (await blind(context, step("right"))).value
    assert here == (await blind(context, step("wrong"))).value
    assert here != (await blind(later, step("right"))).value
    assert here != (await UniformVerifier(seed=5)(context, step("right"))).value


async def test_blind_scores_are_spread_evenly_from_nought_to_nine() -> None:
    context = Context.ask("Go.")
    values = [(await UniformVerifier(seed)(context, step("a"))).value for seed in range(2000)]
    assert all(0 <= value <= 9 for value in values)
    assert [0.2 < sum(low <= v < low + 2.25 for v in values) / 2000 < 0.3 for low in (0, 2.25, 4.5, 6.75)] == [True] * 4
