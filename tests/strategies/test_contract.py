"""What every strategy file keeps, whatever its paper: bounded, repeatable, cancellable, and nothing left held."""

import asyncio
import inspect
import random
from collections.abc import Callable
from typing import Any

import pytest

from headgate.backends.base import OPERATIONS
from headgate.backends.dialect import Dialect
from headgate.backends.model import derive
from headgate.backends.scripted import END, Scripted, Skill, Table
from headgate.backends.scripted_reward import ScriptedReward
from headgate.budget.cost import Cost, Limits
from headgate.strategies import registry
from headgate.strategies.base import STATUSES, Answer, Run
from headgate.verifiers.base import Problem

NewRun = Callable[..., Run]
STRATEGIES = registry.names()
QUESTIONS = [f"What is {i} + 1?" for i in range(17)]
STEPS = ["take the number", "add one to it", "say what comes out"]
SKILL = Skill({q: ([f"{s} {i}" for s in STEPS], str(i + 1)) for i, q in enumerate(QUESTIONS)}, skill=0.6, judge=0.8)
BABBLE = Table(
    {
        "\n\n": {" a": 0.6, " b": 0.3, "</think>": 0.1},
        " a": {" b": 0.5, "\n\n": 0.5},
        " b": {" a": 0.5, "\n\n": 0.3, END: 0.2},
        ":": {"3": 0.5, "8": 0.5},
        "*": {" a": 0.5, " b": 0.5},
    }
)
CAPS = [
    Limits(tokens=0),
    Limits(tokens=1),
    Limits(tokens=40),
    Limits(tokens=150),
    Limits(tokens=400),
    Limits(output=1),
    Limits(output=7),
    Limits(output=30),
    Limits(seconds=0),
    Limits.of({"tokens": 300, "output": 20, "dollars": "0.01"}),
]


def engines(strategy: str, speaker: Any = SKILL) -> dict[str, Any]:
    """A role's engine for each that the strategy needs."""
    roles = registry.needs(registry.find(strategy))
    return {role: engine(speaker, operations) for role, operations in roles.items()}


def engine(speaker: Any, operations: frozenset[str]) -> Scripted:
    if "reward" in operations:
        return ScriptedReward(critic=lambda problem, steps: [derive(0, step) % 100 / 100 for step in steps])
    return Scripted(speaker, dialect=Dialect(judge_prefill="score:"))


def tokens(answer: Answer) -> list[tuple[int, ...]]:
    """Every token that was written, its samples' included."""
    own = [step.completion.token_ids for step in answer.steps]
    own += [answer.completion.token_ids] if answer.completion else []
    return own + [ids for candidate in answer.candidates for ids in tokens(candidate)]


async def solve(run: Run, strategy: str, question: str = QUESTIONS[0], place: str = "solve") -> Answer:
    return await asyncio.wait_for(run.solve(registry.find(strategy), Problem(text=question), place), 20)


def test_there_are_strategies_to_keep_it() -> None:
    assert {"direct", "self_consistency", "spec_reason"} <= set(STRATEGIES)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_it_is_a_plain_async_function_of_a_problem_and_a_run_with_documented_knobs(strategy: str) -> None:
    function = registry.find(strategy)
    assert inspect.iscoroutinefunction(function)
    parameters = list(inspect.signature(function).parameters.values())
    assert [p.name for p in parameters[:2]] == ["problem", "run"]
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in parameters[2:])
    assert registry.summary(strategy).endswith(".")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_it_needs_operations_that_exist(strategy: str) -> None:
    needs = registry.needs(registry.find(strategy))
    assert needs
    assert all(operations and operations <= set(OPERATIONS) for operations in needs.values())


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("speaker", [SKILL, BABBLE], ids=["skill", "babble"])
async def test_it_ends_with_an_answer_whose_bill_is_the_ledgers(new_run: NewRun, strategy: str, speaker: Any) -> None:
    run = new_run(engines(strategy, speaker))
    answer = await solve(run, strategy)
    assert answer.status in STATUSES
    assert (answer.status == "answered") <= bool(answer.text)
    assert sum(answer.bill.values(), Cost()).units() == answer.cost.units() == run.ledger.spent.units()


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("limits", CAPS, ids=str)
@pytest.mark.parametrize("reserve", [0.0, 0.2])
async def test_it_never_passes_its_ledger_and_leaves_nothing_held(
    new_run: NewRun, strategy: str, limits: Limits, reserve: float
) -> None:
    for speaker in (SKILL, BABBLE):
        run = new_run(engines(strategy, speaker), limits, reserve=reserve)
        answer = await solve(run, strategy)
        used = run.ledger.spent.units()
        assert all(used.get(unit, 0) <= cap for unit, cap in limits.caps().items())
        assert not any(run.ledger.held.values())
        if limits in CAPS[:2] or limits.seconds == 0:
            assert (answer.status, answer.cost) == ("exhausted", Cost())


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("speaker", [SKILL, BABBLE], ids=["skill", "babble"])
async def test_the_same_seed_gives_the_same_answer(new_run: NewRun, strategy: str, speaker: Any) -> None:
    for seed in range(3):
        first, again = [await solve(new_run(engines(strategy, speaker), seed=seed), strategy) for _ in range(2)]
        assert tokens(first) == tokens(again)
        assert (first.text, first.status, first.bill) == (again.text, again.status, again.bill)
    others = [await solve(new_run(engines(strategy, speaker), seed=seed), strategy) for seed in range(8)]
    assert len({str(tokens(answer)) for answer in others}) > 1


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_alone_or_beside_sixteen_others_the_same_tokens(new_run: NewRun, strategy: str) -> None:
    alone = await solve(new_run(engines(strategy), seed=7), strategy, QUESTIONS[3], "p3")
    run = new_run(engines(strategy), seed=7)
    order = random.Random(strategy).sample(range(17), 17)
    crowd = await asyncio.gather(*(solve(run, strategy, QUESTIONS[i], f"p{i}") for i in order))
    beside = dict(zip(order, crowd, strict=True))[3]
    assert tokens(alone) == tokens(beside)
    assert (alone.text, alone.status, alone.cost.output) == (beside.text, beside.status, beside.cost.output)


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_it_cancels_cleanly_at_any_moment(new_run: NewRun, strategy: str) -> None:
    moments = random.Random(strategy)
    for _ in range(40):
        run = new_run(engines(strategy, BABBLE), Limits(tokens=5000))
        task = asyncio.create_task(run.solve(registry.find(strategy), Problem(text="Go."), "solve"))
        for _ in range(moments.randrange(1, 60)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), 5)
        assert task.cancelled() or task.exception() is None
        assert not any(run.ledger.held.values())
        assert len(asyncio.all_tasks()) == 1
