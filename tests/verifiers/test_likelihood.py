import math

import pytest

from headgate.backends.base import Completion, Context, Stop
from headgate.backends.model import Model
from headgate.backends.scripted import Scripted, Table
from headgate.budget.cost import Cost
from headgate.budget.ledger import Ledger
from headgate.verifiers.base import Step
from headgate.verifiers.likelihood import LikelihoodVerifier, Reduction

ASK = Context.ask("Go.")
TABLE = Table({"\n": {"a": 0.5, "x": 0.5}, "a": {" b": 0.25, "x": 0.75}, " b": {"</think>": 0.125, "x": 0.875}})


def step(text: str, *, closed: bool = False) -> Step:
    stop: Stop = "think_end" if closed else "length"
    return Step(completion=Completion(text=text, stop=stop, usage=Cost()), author="draft")


def verifier(reduction: Reduction) -> LikelihoodVerifier:
    return LikelihoodVerifier(Model(name="target", backend=Scripted(TABLE), ledger=Ledger()), reduction)


@pytest.mark.parametrize(
    ("reduction", "closed", "value"),
    [
        ("min", False, math.log(1 / 4)),
        ("mean", False, math.log(1 / 2 * 1 / 4) / 2),
        ("min", True, math.log(1 / 8)),
        ("mean", True, math.log(1 / 2 * 1 / 4 * 1 / 8) / 3),
    ],
)
async def test_a_step_is_as_good_as_its_tokens_are_likely(reduction: Reduction, closed: bool, value: float) -> None:
    score = await verifier(reduction)(ASK, step("a b", closed=closed))
    assert score.value == pytest.approx(value)
    assert score.signal == f"{reduction}_logprob"


async def test_an_impossible_step_is_infinitely_bad() -> None:
    reductions: list[Reduction] = ["min", "mean"]
    for reduction in reductions:
        assert (await verifier(reduction)(ASK, step("a a"))).value == -math.inf


async def test_an_empty_step_is_certain() -> None:
    assert (await verifier("min")(ASK, step(""))).value == 0.0


async def test_a_score_is_billed_to_the_model_that_reads() -> None:
    likely = verifier("min")
    score = await likely(ASK, step("a b"))
    assert set(likely.model.ledger.bill) == {("target", "score")}
    assert score.cost == likely.model.ledger.spent
