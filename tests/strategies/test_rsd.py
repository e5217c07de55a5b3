from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from headgate.backends.base import Context
from headgate.backends.scripted import Scripted, Table
from headgate.backends.scripted_reward import ScriptedReward, by_text
from headgate.budget.cost import Cost, Limits
from headgate.routers.score import ScoreRouter
from headgate.strategies.base import Run
from headgate.strategies.direct import direct
from headgate.strategies.rsd import rsd
from headgate.verifiers.base import Problem
from headgate.verifiers.process_reward import ProcessReward

from .pairs import DRAFT, kept, saying, scored, written

NewRun = Callable[..., Run]
PROBLEM = Problem(text="Tom has 17 apples. Mia has 5 more. How many have both?")
DELTAS = (0.0, 0.2, 0.5, 0.7, 0.9, 1.0, 1.1)
SAMPLED: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "step_tokens": 6, "think_tokens": 80}


def pair(**others: Any) -> dict[str, Any]:
    return scored("reward", **others)


def replies(draft: Sequence[str], target: Sequence[str], rewards: Mapping[str, float]) -> dict[str, Any]:
    return {**saying(draft, target), "reward": ScriptedReward(critic=by_text(rewards))}


async def test_a_step_of_low_reward_is_rewritten_by_the_target_and_nothing_else_is_asked_of_it(new_run: NewRun) -> None:
    draft = ["Mia has 22.\n\n", "Together 40.\n\n", "</think>", "\\boxed{39}"]
    run = new_run(replies(draft, ["Together 39.\n\n", "not asked"], {"Together 40.": 0.2}))
    answer = await run.solve(rsd, PROBLEM, "solve")
    assert kept(answer) == [("draft", "Mia has 22.\n\n"), ("target", "Together 39.\n\n"), ("draft", "")]
    assert [step.score.value if step.score else None for step in answer.steps] == [1.0, 0.2, None, 1.0]
    assert answer.text == "39"
    assert answer.cost_by_role["target"].calls == 1
    assert answer.bill["reward", "reward"].calls == 3


@pytest.mark.parametrize(("delta", "author"), [(0.7, "draft"), (0.7001, "target")])
async def test_a_reward_equal_to_delta_keeps_the_draft(new_run: NewRun, delta: float, author: str) -> None:
    run = new_run(replies(["one</think>", "\\boxed{1}"], ["two</think>", "\\boxed{2}"], {"one": 0.7}))
    answer = await run.solve(rsd, PROBLEM, "solve", delta=delta)
    assert [who for who, _ in kept(answer)] == [author]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("delta", "role"), [(0.0, "draft"), (1.01, "target")])
async def test_at_its_extremes_it_is_one_model_alone_token_for_token(
    new_run: NewRun, seed: int, delta: float, role: str
) -> None:
    both = await new_run(pair(), seed=seed).solve(rsd, PROBLEM, "solve", delta=delta, answer_by=role, **SAMPLED)
    engine = pair()[role]
    alone = await new_run({role: engine, "model": engine}, seed=seed).solve(direct, PROBLEM, "solve", **SAMPLED)
    assert written(both) == written(alone)
    assert {author for author, _ in kept(both)} == {role}


async def test_on_fixed_traces_a_higher_delta_keeps_no_more(new_run: NewRun) -> None:
    accepted = [set[tuple[int, int]]() for _ in DELTAS]
    for seed in range(8):
        run = new_run(pair(), seed=seed)
        traced = await rsd(PROBLEM, run, delta=0.0, **SAMPLED)
        for those, delta in zip(accepted, DELTAS, strict=True):
            router, context = ScoreRouter(ProcessReward(run.model("reward")), delta), Context.ask("?")
            for index, step in enumerate(traced.steps):
                if (await router(context, replace(step, score=None))).accept:
                    those.add((seed, index))
                context = context.append(step.completion.piece("think", step.author))
    assert all(higher <= lower for lower, higher in pairwise(accepted))
    assert len(accepted[0]) > len(accepted[3]) > len(accepted[-1]) == 0


@pytest.mark.parametrize("delta", [0.0, 0.5, 1.1])
async def test_one_model_in_both_roles_says_what_it_says_alone(new_run: NewRun, delta: float) -> None:
    greedy = SAMPLED | {"temperature": 0.0}
    engine = Scripted(Table(DRAFT))
    run = new_run(pair(draft=engine, target=engine))
    both = await run.solve(rsd, PROBLEM, "solve", delta=delta, **greedy)
    alone = await new_run({"model": engine}).solve(direct, PROBLEM, "solve", **greedy)
    assert written(both) == written(alone)


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("seed", range(4))
async def test_every_token_is_in_the_books(new_run: NewRun, seed: int, overlap: bool) -> None:
    run = new_run(pair(), seed=seed)
    answer = await run.solve(rsd, PROBLEM, "solve", delta=0.5, overlap=overlap, **SAMPLED)
    for purpose, stood in (("think", True), ("wasted", False)):
        billed = sum((c.output for (_, p), c in answer.bill.items() if p == purpose), 0)
        assert billed == sum(step.completion.usage.output for step in answer.steps if step.kept is stood)
    assert sum(answer.bill.values(), Cost()).units() == answer.cost.units() == run.ledger.spent.units()


async def test_a_verifier_that_the_budget_refuses_ends_the_thinking_without_its_step(new_run: NewRun) -> None:
    run = new_run(replies(["a b c d\n\n"] * 9, [], {}), Limits(tokens=60), reserve=0.3)
    answer = await run.solve(rsd, PROBLEM, "solve")
    assert answer.status == "exhausted"
    assert run.ledger.spent.tokens <= 60
    assert not any(run.ledger.held.values())
