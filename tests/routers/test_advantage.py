from itertools import pairwise

import pytest

from headgate.backends.base import Completion, Context
from headgate.backends.model import Model
from headgate.backends.scripted_reward import ScriptedReward
from headgate.budget.cost import Cost
from headgate.budget.ledger import Ledger
from headgate.routers.advantage import AdvantageRouter, tagged
from headgate.verifiers.base import Step


def step(text: str, author: str = "draft") -> Step:
    return Step(completion=Completion(text=text, stop="delimiter", usage=Cost()), author=author)


def behind(*steps: Step) -> Context:
    return Context.ask("Go.").append(*(s.completion.piece("think", s.author) for s in steps))


def router(tau: float) -> AdvantageRouter:
    reader = ScriptedReward(critic=lambda problem, steps: [len(step) % 10 / 10 for step in steps])
    return AdvantageRouter(Model(name="router", backend=reader, ledger=Ledger()), "target", tau)


def test_every_step_says_who_wrote_it_and_the_problem_does_not() -> None:
    read = tagged(behind(step("a\n\n"), step("b\n\n", "target"), step("cue", "cue")), "target")
    assert [piece.text for piece in read.pieces] == ["Go.", "Model 0: a\n\n", "Model 1: b\n\n", "Model 0: cue"]


async def test_a_candidate_is_the_drafts_even_where_one_model_plays_both() -> None:
    shown = list[str]()
    reader = ScriptedReward(critic=lambda problem, steps: [bool(shown.extend(steps)) for _ in steps])
    model = Model(name="router", backend=reader, ledger=Ledger())
    await AdvantageRouter(model, "both", 0.5)(behind(), step("a", "both"))
    assert shown == ["Model 0: a"]


def test_a_tagged_step_is_encoded_anew() -> None:
    written = Completion(text="a", stop="delimiter", usage=Cost(), token_ids=(1,), tokenizer="t")
    read = tagged(Context.ask("Go.").append(written.piece("think", "draft")), "target")
    assert read.pieces[-1].ids == {}


async def test_on_a_fixed_trace_a_higher_tau_escalates_no_more() -> None:
    steps = [step("x" * size) for size in range(1, 12)]
    escalated = list[set[int]]()
    for tau in (-0.1, 0.0, 0.3, 0.6, 0.9, 1.0):
        decisions = [await router(tau)(behind(), candidate) for candidate in steps]
        escalated.append({i for i, decision in enumerate(decisions) if not decision.accept})
    assert all(higher <= lower for lower, higher in pairwise(escalated))
    assert len(escalated[0]) == len(steps) and not escalated[-1]


@pytest.mark.parametrize(("tau", "accept"), [(0.5, True), (0.4999, False)])
async def test_a_tie_keeps_the_draft_and_the_reason_names_the_chance(tau: float, accept: bool) -> None:
    decision = await router(tau)(behind(), step("x" * 6))  # with its tag 15 characters
    assert (decision.accept, decision.score.value, decision.score.signal) == (accept, 0.5, "advantage")
    assert decision.score.reason.startswith("50% that the target's is better")
    assert decision.score.cost.calls == 1
